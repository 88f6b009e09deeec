// version.cpp: the same from C++.
#include <bfn/sample.h>
#include <cstdio>
#include <memory>

int main()
{
    bfn_context *raw = nullptr;
    if (bfn_context_create(&raw, nullptr) != BFN_OK)
        return 1;
    std::unique_ptr<bfn_context, void (*)(bfn_context *)> ctx(raw, bfn_context_destroy);
    bfn_solver_options options = BFN_SOLVER_OPTIONS_INIT;
    if (bfn_method_parse(ctx.get(), "no such method", &options) != BFN_ERR_ARGUMENT)
        return 1;
    std::printf("bfn %s: %s\n", bfn_version(), bfn_errmsg(ctx.get()));
    return 0;
}
