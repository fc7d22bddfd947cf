/* simbac-render FORMAT: DOT text on standard input, a picture (svg or png) on standard output. Exit 0; 2 usage; 3 the
 * text does not parse or does not render. */
#include <graphviz/cgraph.h>
#include <graphviz/gvc.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  if (argc != 2 || (strcmp(argv[1], "svg") && strcmp(argv[1], "png"))) {
    fputs("usage: simbac-render svg|png <graph.dot >picture\n", stderr);
    return 2;
  }
  GVC_t *context = gvContext();
  Agraph_t *graph = agread(stdin, NULL);
  int failed = !graph || gvLayout(context, graph, "dot") != 0 || gvRender(context, graph, argv[1], stdout) != 0;
  if (graph) {
    gvFreeLayout(context, graph);
    agclose(graph);
  }
  gvFreeContext(context);
  if (failed || fflush(stdout) != 0) {
    fputs("simbac-render: the graph does not render\n", stderr);
    return 3;
  }
  return 0;
}
