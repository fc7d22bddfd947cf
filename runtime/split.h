/* The three parts of a data set: what is learnt from, what choices are made by, what is reported. */
#ifndef SIMBA_SPLIT_H
#define SIMBA_SPLIT_H

typedef enum DataSplit { SPLIT_TRAIN, SPLIT_VALIDATION, SPLIT_TEST, SPLIT_COUNT } DataSplit;

/* "train", "val", "test" */
const char *data_split_name(DataSplit split);

#endif
