/* solver_options.c: --method, --nfe, --grid and their kin into the library's solver options. */
#include "solver_options.h"

#include <stdio.h>
#include <string.h>

int cli_solver_failure(const cli_command *command, const bfn_context *ctx, bfn_status status, const char *method)
{
    static const struct {
        const char *field, *option;
    } names[] = {{"method", ""},         {"corrector", "--corrector"}, {"n_evaluations", "--nfe"},
                 {"n_steps", "--steps"}, {"noise", "--noise"},         {"eta", "--eta"},
                 {"times", "--grid"},    {"power", "--grid"},          {"grid", "--grid"}};
    const char *message = bfn_errmsg(ctx);
    bool own =
        strcmp(method, "--method") == 0; /* a corrector is an option of its own, not a part of the method's name */
    if (status != BFN_ERR_ARGUMENT)
        return cli_fail(command, ctx, status);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i].field);
        const char *option = i == 0 || (i == 1 && !own) ? method : names[i].option;
        if (strncmp(message, names[i].field, n) == 0 && message[n] == ':')
            return cli_usage(command, "%s%s", option, message + n);
    }
    return cli_usage(command, "%s", message);
}

bfn_status cli_solver_plan(bfn_context *ctx, const bfn_solver_options *solver)
{
    bfn_flow flow = BFN_FLOW_INIT;
    flow.kind = BFN_DATA_DISCRETE;
    flow.n_classes = 27;
    flow.max_sqrt_beta = 1.0;
    flow.min_variance = flow.clip = 0.0;
    bfn_plan *plan = NULL;
    bfn_status status = bfn_plan_create(ctx, &plan, &flow, solver);
    bfn_plan_destroy(plan);
    return status;
}

int cli_solver_check(const cli_command *command, bfn_context *ctx, const bfn_solver_options *solver, const char *method)
{
    bfn_status status = cli_solver_plan(ctx, solver);
    return status == BFN_OK ? 0 : cli_solver_failure(command, ctx, status, method);
}

/* "0.001,0.2,1" after "list:". */
static bool parse_list(const cli_command *command, const char *option, const char *text, cli_solver_values *v,
                       bfn_solver_options *solver)
{
    size_t n = 0;
    for (const char *c = text;; c++) {
        char number[64];
        size_t length = strcspn(c, ",");
        if (n == CLI_MAX_TIMES) {
            cli_usage(command, "--%s: more than %d times", option, CLI_MAX_TIMES);
            return false;
        }
        snprintf(number, sizeof number, "%.*s", (int)(length < 60 ? length : 60), c);
        if (!cli_number(number, &v->times[n]) || v->times[n] < 0.0 || v->times[n] > 1.0 ||
            (n > 0 && v->times[n] <= v->times[n - 1])) {
            cli_usage(command, "--%s: found \"%s\" as time %zu, needs increasing numbers from 0 to 1", option, number,
                      n);
            return false;
        }
        n++;
        c += length;
        if (*c == '\0')
            break;
    }
    if (n < 2 || v->times[n - 1] < 1.0) {
        cli_usage(command, "--%s: found \"list:%s\", needs two times or more, the last of them 1", option, text);
        return false;
    }
    solver->grid = BFN_GRID_LIST;
    solver->times = v->times;
    solver->n_times = n;
    return true;
}

bool cli_solver_grid(const cli_command *command, const char *option, cli_solver_values *v, bfn_solver_options *solver)
{
    if (strcmp(v->grid, "default") == 0) {
        solver->grid = BFN_GRID_DEFAULT;
    } else if (strcmp(v->grid, "time") == 0) {
        solver->grid = BFN_GRID_TIME;
    } else if (strcmp(v->grid, "logsnr") == 0) {
        solver->grid = BFN_GRID_LOGSNR;
    } else if (strncmp(v->grid, "power:", 6) == 0) {
        solver->grid = BFN_GRID_POWER;
        if (!cli_number(v->grid + 6, &solver->power) || solver->power < 0.1 || solver->power > 10.0) {
            cli_usage(command, "--%s: found \"%s\", needs power:R with R from 0.1 to 10", option, v->grid);
            return false;
        }
    } else if (strncmp(v->grid, "list:", 5) == 0) {
        return parse_list(command, option, v->grid + 5, v, solver);
    } else {
        cli_usage(command, "--%s: found \"%s\", needs default, time, logsnr, power:R or list:T0,T1,...,1", option,
                  v->grid);
        return false;
    }
    return true;
}

const char *cli_solver_grid_name(const cli_solver_values *v, const bfn_plan_info *plan)
{
    if (strcmp(v->grid, "default") != 0)
        return v->grid;
    return plan->grid == BFN_GRID_LOGSNR ? "logsnr" : "time";
}

bool cli_solver_times(const cli_command *command, cli_solver_values *v, bfn_solver_options *solver)
{
    solver->eta_is_set = v->eta >= 0.0;
    solver->eta = v->eta >= 0.0 ? v->eta : 0.0;
    solver->start = (bfn_start)v->start;
    return cli_solver_grid(command, "grid", v, solver);
}

/* Exactly one of steps and evaluations; a list of times says the steps itself. */
static bool resolve_length(const cli_command *command, const cli_solver_values *v, bfn_solver_options *solver)
{
    if (v->nfe > 0 && v->steps > 0) {
        cli_usage(command, "--nfe and --steps: only one of them can be given");
        return false;
    }
    solver->n_evaluations = v->nfe;
    solver->n_steps = v->steps;
    if (v->nfe == 0 && v->steps == 0) {
        if (solver->grid == BFN_GRID_LIST)
            solver->n_steps = solver->n_times - 1;
        else
            solver->n_evaluations = 20;
    }
    if (solver->grid == BFN_GRID_LIST && v->steps > 0 && v->steps != solver->n_times - 1) {
        cli_usage(command, "--steps: found %zu, --grid lists %zu steps", v->steps, solver->n_times - 1);
        return false;
    }
    return true;
}

bool cli_solver_resolve(const cli_command *command, bfn_context *ctx, cli_solver_values *v, bfn_solver_options *solver)
{
    *solver = (bfn_solver_options)BFN_SOLVER_OPTIONS_INIT;
    bfn_status status = bfn_method_parse(ctx, v->method, solver);
    if (status != BFN_OK) {
        cli_solver_failure(command, ctx, status, "--method");
        return false;
    }
    if (!cli_solver_times(command, v, solver) || !resolve_length(command, v, solver))
        return false;
    solver->noise_is_set = v->noise >= 0.0;
    solver->noise = v->noise >= 0.0 ? v->noise : 0.0;
    if (v->last != 0)
        solver->last = (bfn_last)v->last;
    if (v->prediction != 0)
        solver->prediction = (bfn_prediction)v->prediction;
    solver->corrector = v->corrector;
    return true;
}
