/* plan_print.c: plans in three formats, all from the rows of bfn/solver.h. CSV and JSON carry every digit of a double.
 *
 * The JSON is meant to be run by other engines. For discrete data x holds logits [B, D, K], for continuous data the mean [B, D]; predict(x, t)
 * shows the network softmax(x) (or x) and returns probabilities (or the prediction of the data). In PyTorch:
 *
 *     plan = json.load(open("plan.json")); x = plan["start"]["std"] * torch.randn(shape); p = []
 *     for r in plan["rows"]:
 *         if r["call"]: p = [predict(x, r["t"])] + p[:3]
 *         x = r["a"] * x + sum(b * q for b, q in zip(r["b"], p)) + r["k"] + r["e"] * torch.randn_like(x)
 *     sample = x.argmax(-1)        # continuous data: x itself
 *
 * With "final_call" one more prediction at t = 1, on that x, is the sample; with "prediction": "draw", predict returns a draw
 * (one-hot of a class) instead of the mean; with "moments" the start is as bfn_plan_info says.
 */
#include "plan_print.h"

#include <stdbool.h>

static const char *last_name(bfn_last last)
{
    return last == BFN_LAST_CALL ? "call" : last == BFN_LAST_UPDATE ? "update" : "predict";
}

static const char *prediction_name(bfn_prediction prediction)
{
    return prediction == BFN_PREDICTION_DRAW ? "draw" : "mean";
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

/* What a row does, in one word. */
static const char *row_word(const bfn_plan_row *row)
{
    if (row->corrector)
        return row->call ? "call, correct" : "correct";
    return row->call ? "call, step" : "step";
}

void plan_print_table(FILE *out, const bfn_plan *plan)
{
    bfn_plan_info info;
    bfn_plan_get_info(plan, &info);
    const bfn_plan_row *rows = bfn_plan_rows(plan);
    fprintf(out, "steps %zu, network evaluations %zu, rows %zu, last step: %s, prediction: %s\n", info.n_steps,
            info.n_evaluations, info.n_rows, last_name(info.last), prediction_name(info.prediction));
    fprintf(out, "start at t = %.6g: x = ", info.start_time);
    if (info.start == BFN_START_MOMENTS)
        fprintf(out, "%.6g m + sqrt(%.6g^2 + %.6g^2 v) z, m and v from the data's moments\n", info.start_mean,
                info.start_std, info.start_mean);
    else
        fprintf(out, "%.6g z\n", info.start_std);
    fprintf(out, "each row: x = a x + b0 p0 + b1 p1 + b2 p2 + b3 p3 + k + e z, p0 the newest prediction\n\n");
    fprintf(out, "%5s %-13s %9s %9s %12s", "row", "", "t", "next t", "a");
    for (int j = 0; j < info.n_history; j++)
        fprintf(out, " %11s%d", "b", j);
    fprintf(out, " %12s %12s\n", "k", "e");
    for (size_t i = 0; i < info.n_rows; i++) {
        const bfn_plan_row *r = &rows[i];
        fprintf(out, "%5zu %-13s %9.6f %9.6f %12.6g", i + 1, row_word(r), r->t, r->t_next, r->a);
        for (int j = 0; j < info.n_history; j++)
            fprintf(out, " %12.6g", r->b[j]);
        fprintf(out, " %12.6g %12.6g\n", r->k, r->e);
    }
    if (info.final_call)
        fprintf(out, "%5s %-13s %9.6f\n", "", "call", 1.0);
}

void plan_print_csv(FILE *out, const bfn_plan *plan)
{
    bfn_plan_info info;
    bfn_plan_get_info(plan, &info);
    const bfn_plan_row *rows = bfn_plan_rows(plan);
    fprintf(out, "row,call,corrector,t,t_next,a,b0,b1,b2,b3,k,e\n");
    for (size_t i = 0; i < info.n_rows; i++) {
        const bfn_plan_row *r = &rows[i];
        fprintf(out, "%zu,%d,%d,%.17g,%.17g,%.17g,%.17g,%.17g,%.17g,%.17g,%.17g,%.17g\n", i + 1, r->call != 0,
                r->corrector != 0, r->t, r->t_next, r->a, r->b[0], r->b[1], r->b[2], r->b[3], r->k, r->e);
    }
}

void plan_print_json(FILE *out, const bfn_plan *plan)
{
    bfn_plan_info info;
    bfn_plan_get_info(plan, &info);
    const bfn_plan_row *rows = bfn_plan_rows(plan);
    fprintf(out,
            "{\"n_steps\": %zu, \"n_evaluations\": %zu, \"n_history\": %d, \"last\": \"%s\", \"prediction\": \"%s\",\n",
            info.n_steps, info.n_evaluations, info.n_history, last_name(info.last), prediction_name(info.prediction));
    fprintf(out, " \"final_call\": %s,\n", json_bool(info.final_call));
    fprintf(out, " \"start\": {\"time\": %.17g, \"mean\": %.17g, \"std\": %.17g, \"moments\": %s},\n", info.start_time,
            info.start_mean, info.start_std, json_bool(info.start == BFN_START_MOMENTS));
    fprintf(out, " \"rows\": [");
    for (size_t i = 0; i < info.n_rows; i++) {
        const bfn_plan_row *r = &rows[i];
        fprintf(out, "%s\n  {\"call\": %s, \"corrector\": %s, \"t\": %.17g, \"t_next\": %.17g, \"a\": %.17g,",
                i > 0 ? "," : "", json_bool(r->call), json_bool(r->corrector), r->t, r->t_next, r->a);
        fprintf(out, " \"b\": [%.17g, %.17g, %.17g, %.17g], \"k\": %.17g, \"e\": %.17g}", r->b[0], r->b[1], r->b[2],
                r->b[3], r->k, r->e);
    }
    fprintf(out, "\n]}\n");
}
