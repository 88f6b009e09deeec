/* cmd_plan.c: bfn plan: the table of numbers that a sampling method is, for any flow, without a network. */
#include "cli.h"
#include "plan_print.h"
#include "solver_options.h"

#include "bfn/model.h"

#include <stddef.h>
#include <stdio.h>

typedef struct plan_values {
    cli_solver_values solver;
    const char *model, *config;
    int kind, format;
    size_t classes;
    double max_sqrt_beta, min_variance;
} plan_values;

enum { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSON };

#define AT(member) offsetof(plan_values, member)
static const cli_option options[] = {
    CLI_SOLVER_OPTIONS(AT(solver)),
    {"model", 'm', "FILE", CLI_TEXT, AT(model), 0, 0, NULL, "take the flow from this model file"},
    CLI_CONFIG_OPTION(AT(config)),
    {"kind", 0, "KIND", CLI_CHOICE, AT(kind), 0, 0, "discrete|continuous|discretised",
     "without a model: kind of data (default discrete)"},
    {"classes", 'K', "K", CLI_SIZE, AT(classes), 2, 65536, NULL, "... classes or bins (default 27; discretised 256)"},
    {"max-sqrt-beta", 0, "B", CLI_REAL, AT(max_sqrt_beta), 1e-6, 1e6, NULL,
     "... accuracy of discrete data at t = 1 (default 0.75)"},
    {"min-variance", 0, "V", CLI_REAL, AT(min_variance), 1e-300, 0.999, NULL,
     "... sigma_1^2 of continuous and discretised data (default 1e-6)"},
    {"format", 'f', "FORMAT", CLI_CHOICE, AT(format), 0, 0, "table|csv|json", "how to print it (default table)"},
};

static void flow_of_options(const plan_values *v, bfn_flow *flow)
{
    static const bfn_data_kind kinds[] = {BFN_DATA_DISCRETE, BFN_DATA_CONTINUOUS, BFN_DATA_DISCRETISED};
    *flow = (bfn_flow)BFN_FLOW_INIT;
    flow->kind = kinds[v->kind];
    flow->min_variance = v->min_variance;
    if (flow->kind == BFN_DATA_CONTINUOUS)
        return;
    flow->clip = 0.0;
    flow->n_classes = v->classes > 0 ? v->classes : flow->kind == BFN_DATA_DISCRETE ? 27 : 256;
    if (flow->kind == BFN_DATA_DISCRETE) {
        flow->max_sqrt_beta = v->max_sqrt_beta;
        flow->min_variance = 0.0;
    }
}

static bfn_status flow_of_model(bfn_context *ctx, const plan_values *v, bfn_flow *flow, bfn_solver_options *solver)
{
    bfn_model *model;
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    o.config_path = v->config;
    bfn_status status = bfn_model_load(ctx, &model, v->model, &o);
    if (status != BFN_OK)
        return status;
    bfn_model_info info;
    bfn_model_get_info(model, &info);
    *flow = info.flow;
    bfn_model_resolve(model, solver);
    bfn_model_destroy(model);
    return BFN_OK;
}

static int print_plan(const cli_command *command, bfn_context *ctx, plan_values *v)
{
    bfn_solver_options solver;
    bfn_flow flow;
    bfn_plan *plan;
    if (!cli_solver_resolve(command, ctx, &v->solver, &solver))
        return CLI_EXIT_USAGE;
    flow_of_options(v, &flow);
    bfn_status status = bfn_plan_create(ctx, &plan, &flow, &solver);
    if (status == BFN_OK && v->model != NULL) { /* the options are good: now the file may be opened */
        bfn_plan_destroy(plan);
        status = flow_of_model(ctx, v, &flow, &solver);
        if (status == BFN_OK)
            status = bfn_plan_create(ctx, &plan, &flow, &solver);
    }
    if (status != BFN_OK)
        return cli_solver_failure(command, ctx, status, "--method");
    if (v->format == FORMAT_JSON)
        plan_print_json(stdout, plan);
    else if (v->format == FORMAT_CSV)
        plan_print_csv(stdout, plan);
    else
        plan_print_table(stdout, plan);
    bfn_plan_destroy(plan);
    return cli_flush(command);
}

static int run(const cli_command *command, int argc, char **argv)
{
    plan_values v = {.solver = CLI_SOLVER_VALUES_INIT, .max_sqrt_beta = 0.75, .min_variance = 1e-6};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 0, &n_operands))
        return CLI_EXIT_USAGE;
    bfn_context *ctx;
    bfn_status status = cli_context(command, 0, &ctx);
    if (status != BFN_OK)
        return (int)status;
    int code = print_plan(command, ctx, &v);
    bfn_context_destroy(ctx);
    return code;
}

const cli_command cli_command_plan = {
    "plan",
    "print a sampling method as its table of numbers",
    "[options]",
    "Every method is a list of rows  x = a x + b0 p0 + b1 p1 + b2 p2 + b3 p3 + k + e z\n"
    "where x is the state, p0 the network's newest prediction, p1 to p3 the ones\n"
    "before, and z standard normal noise. It needs no network, and other programs\n"
    "can run it. Without --model the start is zero where nothing is said: only a\n"
    "model knows its data's moments.\n"
    "\n"
    "In PyTorch, for the output of --format json:\n"
    "\n"
    "  x = plan[\"start\"][\"std\"] * torch.randn(shape); p = []\n"
    "  for r in plan[\"rows\"]:\n"
    "      if r[\"call\"]: p = [predict(x, r[\"t\"])] + p[:3]\n"
    "      x = r[\"a\"]*x + sum(b*q for b, q in zip(r[\"b\"], p)) + r[\"k\"] + r[\"e\"]*torch.randn_like(x)\n"
    "  sample = x.argmax(-1)        # continuous data: x\n"
    "\n"
    "predict shows the network softmax(x) (continuous data: x) and returns class\n"
    "probabilities (the estimate of the data).",
    options,
    sizeof options / sizeof options[0],
    "  bfn plan --method ode3m --corrector --nfe 10\n"
    "  bfn plan --method bfn --steps 50 --kind continuous\n"
    "  bfn plan --model models/text8-small.safetensors --method sde2m --nfe 20 --format json > plan.json",
    run,
};
