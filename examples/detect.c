/* Where is something? A small head on the exported maps of examples/backbone.simba: for each cell of each map a score,
 * sigmoid(bias + weight . features), a 1x1 convolution, and the cells that score highest.
 *
 *   simbac compile examples/backbone.simba --weights run/weights.safetensors --map examples/backbone.map \
 *       -o libbackbone.so
 *   cc examples/detect.c -I. -L. -lbackbone -lm -o detect
 *   ./detect image.ppm head.txt 0.5
 *
 * The image is a binary PPM of the size that the maps were compiled for. The head is text: for each map, from the
 * finest to the coarsest, a weight for each of its channels and a bias. Prints a line a cell that scores at least the
 * threshold, the best first: its score, its map, and the pixels that it stands for. */
#include "backbone.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAPS = 4, MAX_SHOWN = 20 };

/* What each channel's values are centred and scaled by, as for the training of most vision models. */
static const float MEAN[3] = {0.485f, 0.456f, 0.406f}, DEVIATION[3] = {0.229f, 0.224f, 0.225f};

typedef struct Map {
  long channels, rows, columns;
  float *data;   /* [channels, rows, columns] */
  float *weight; /* [channels], and the bias */
} Map;

typedef struct Cell {
  double score;
  int map;
  long row, column;
} Cell;

static void fail(const char *file, const char *what) {
  fprintf(stderr, "detect: %s: %s\n", file, what);
  exit(1);
}

static void *allocate(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!memory) fail("detect", "out of memory");
  return memory;
}

/* The image as the model takes it, [3, rows, columns]. */
static float *read_image(const char *file, long rows, long columns) {
  FILE *in = fopen(file, "rb");
  if (!in) fail(file, "cannot be read");
  long wide, high;
  if (fscanf(in, "P6 %ld %ld 255", &wide, &high) != 2 || fgetc(in) == EOF) fail(file, "not a binary PPM of 8 bits");
  if (wide != columns || high != rows) {
    fprintf(stderr, "detect: %s: %ld by %ld pixels, but the maps are of %ld by %ld\n", file, wide, high, columns, rows);
    exit(1);
  }
  float *x = allocate((size_t)(3 * rows * columns) * sizeof *x);
  for (long pixel = 0; pixel < rows * columns; pixel++) {
    for (int c = 0; c < 3; c++) {
      int byte = fgetc(in);
      if (byte == EOF) fail(file, "the image ends too early");
      x[c * rows * columns + pixel] = ((float)byte / 255 - MEAN[c]) / DEVIATION[c];
    }
  }
  fclose(in);
  return x;
}

static void read_head(const char *file, Map *map) {
  FILE *in = fopen(file, "r");
  float extra;
  if (!in) fail(file, "cannot be read");
  for (int m = 0; m < MAPS; m++) {
    map[m].weight = allocate((size_t)(map[m].channels + 1) * sizeof(float));
    for (long c = 0; c <= map[m].channels; c++) {
      if (fscanf(in, "%f", &map[m].weight[c]) != 1) fail(file, "fewer numbers than the maps have channels and biases");
    }
  }
  if (fscanf(in, "%f", &extra) == 1) fail(file, "more numbers than the maps have channels and biases");
  fclose(in);
}

static double score(const Map *map, long row, long column) {
  double sum = map->weight[map->channels];
  for (long c = 0; c < map->channels; c++) {
    sum += (double)map->weight[c] * map->data[(c * map->rows + row) * map->columns + column];
  }
  return 1 / (1 + exp(-sum));
}

static int by_score(const void *a, const void *b) {
  double left = ((const Cell *)a)->score, right = ((const Cell *)b)->score;
  return (left < right) - (left > right);
}

static void print_cells(const Map *map, double threshold, long rows, long columns) {
  size_t total = 0, count = 0;
  for (int m = 0; m < MAPS; m++) total += (size_t)(map[m].rows * map[m].columns);
  Cell *cell = allocate(total * sizeof *cell);
  for (int m = 0; m < MAPS; m++) {
    for (long row = 0; row < map[m].rows; row++) {
      for (long column = 0; column < map[m].columns; column++) {
        double found = score(&map[m], row, column);
        if (found >= threshold) cell[count++] = (Cell){found, m, row, column};
      }
    }
  }
  qsort(cell, count, sizeof *cell, by_score);
  printf("%8s %4s %6s %6s %6s %6s\n", "score", "map", "left", "top", "right", "bottom");
  for (size_t k = 0; k < count && k < MAX_SHOWN; k++) {
    long stride = 4L << cell[k].map, right = (cell[k].column + 1) * stride, bottom = (cell[k].row + 1) * stride;
    printf("%8.4f %4d %6ld %6ld %6ld %6ld\n", cell[k].score, cell[k].map + 1, cell[k].column * stride,
           cell[k].row * stride, right < columns ? right : columns, bottom < rows ? bottom : rows);
  }
  free(cell);
}

int main(int argc, char **argv) {
  if (argc < 3) fail("usage", "detect IMAGE.ppm HEAD.txt [THRESHOLD]");
  Map map[MAPS];
  const simba_exported_tensor *input = backbone_inputs(NULL), *output = backbone_outputs(NULL);
  long rows = (long)input[0].extent[2], columns = (long)input[0].extent[3];
  if (input[0].extent[1] != 3) fail(argv[1], "the maps are not of colour images");
  for (int m = 0; m < MAPS; m++) {
    map[m] = (Map){.channels = (long)output[m].extent[1], (long)output[m].extent[2], (long)output[m].extent[3]};
    map[m].data = allocate((size_t)(map[m].channels * map[m].rows * map[m].columns) * sizeof(float));
  }
  read_head(argv[2], map);
  float *x = read_image(argv[1], rows, columns);
  void *arena = allocate((size_t)backbone_arena_bytes(1));
  int code = backbone_infer(1, x, map[0].data, map[1].data, map[2].data, map[3].data, arena);
  if (code != BACKBONE_OK) {
    fprintf(stderr, "detect: the model answered %d\n", code);
    return 1;
  }
  print_cells(map, argc > 3 ? atof(argv[3]) : 0.5, rows, columns);
  free(arena);
  free(x);
  for (int m = 0; m < MAPS; m++) {
    free(map[m].data);
    free(map[m].weight);
  }
  return 0;
}
