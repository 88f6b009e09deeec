/* helper_graph.h: any network description, node by node, as plain loops in double: the independent answer for single operations. */
#ifndef HELPER_GRAPH_H
#define HELPER_GRAPH_H

#include "nn/graph.h"

/* One sample. params: an arena as the engine's, in double; label: -1 for none. Nothing is fused and dropout does nothing. */
void naive_graph(const bfn__net *net, const double *params, const double *shown, double t, int label, double *out);

#endif
