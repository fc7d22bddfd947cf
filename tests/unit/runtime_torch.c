/* PyTorch's files: those that torch wrote (tests/torch) read to the bit; those that nobody should write refused, with the
 * place and the reason, and without anything run. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/file.h"
#include "runtime/weights.h"
#include "tests/suite_run.h"
#include "tests/temporary_folder.h"
#include "tests/zip_bytes.h"

/* ---- What torch wrote ---- */

static TensorFile *open_file(const char *name, const char *key) {
  char path[512];
  snprintf(path, sizeof path, "%s/torch/%s", TESTS_FOLDER, name);
  const simba_weights_source source = {.size = sizeof source, .path = path, .key = key};
  TensorFile *file = NULL;
  simba_error error = {0};
  ck_assert_msg(weights_open(&source, &file, &error) == SIMBA_OK, "%s", error.message);
  return file;
}

/* value(i) for the i-th element in C order of `name`. */
static void check_tensor(const TensorFile *file, const char *name, TensorType type, int32_t rank, const int64_t *shape,
                         const float *expected) {
  const Tensor *tensor = tensor_file_find(file, name);
  ck_assert_msg(tensor != NULL, "no tensor '%s'", name);
  ck_assert_int_eq(tensor->type, type);
  ck_assert_int_eq(tensor->rank, rank);
  for (int32_t k = 0; k < rank; k++) ck_assert_int_eq(tensor->shape[k], shape[k]);
  float values[64];
  simba_error error = {0};
  ck_assert_int_le(tensor->count, 64);
  ck_assert_msg(tensor_read_f32(file, tensor, values, &error) == SIMBA_OK, "%s", error.message);
  for (int64_t i = 0; i < tensor->count; i++)
    ck_assert_msg(values[i] == expected[i], "%s[%d] is %g, not %g", name, (int)i, (double)values[i],
                  (double)expected[i]);
}

#define CHECK(file, name, type, rank, shape, ...) \
  check_tensor(file, name, type, rank, (const int64_t[])shape, (const float[]){__VA_ARGS__})
#define SHAPE(...) \
  { __VA_ARGS__ }

START_TEST(types_and_views) {
  TensorFile *file = open_file("views.pth", NULL);
  ck_assert_uint_eq(file->count, 17);
  ck_assert_ptr_null(file->note);
  float all[24], thirds[24], columns[24];
  for (int i = 0; i < 24; i++) {
    all[i] = (float)i;
    thirds[i] = (float)(i / 3.0);
    columns[i] = (float)(i % 4 * 6 + i / 4);
  }
  CHECK(file, "slice", TENSOR_F32, 2, SHAPE(2, 3), 2, 3, 4, 5, 6, 7);
  CHECK(file, "same", TENSOR_F32, 2, SHAPE(2, 3), 2, 3, 4, 5, 6, 7);
  ck_assert_ptr_eq(tensor_file_find(file, "same")->bytes, tensor_file_find(file, "slice")->bytes);
  check_tensor(file, "transposed", TENSOR_F32, 2, (const int64_t[]){6, 4}, columns);
  CHECK(file, "strided", TENSOR_F32, 1, SHAPE(8), 0, 3, 6, 9, 12, 15, 18, 21);
  CHECK(file, "permuted", TENSOR_F32, 3, SHAPE(4, 2, 3), 0, 4, 8, 12, 16, 20, 1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22,
        3, 7, 11, 15, 19, 23);
  check_tensor(file, "half", TENSOR_F16, 1, (const int64_t[]){24}, all);
  check_tensor(file, "brain", TENSOR_BF16, 1, (const int64_t[]){24}, all);
  check_tensor(file, "double", TENSOR_F64, 1, (const int64_t[]){24}, thirds);
  check_tensor(file, "i64", TENSOR_I64, 2, (const int64_t[]){6, 4}, columns);
  CHECK(file, "i32", TENSOR_I32, 1, SHAPE(6), 6, 7, 8, 9, 10, 11);
  CHECK(file, "i16", TENSOR_I16, 1, SHAPE(6), -12, -13, -14, -15, -16, -17);
  CHECK(file, "i8", TENSOR_I8, 1, SHAPE(6), -18, -19, -20, -21, -22, -23);
  CHECK(file, "u8", TENSOR_U8, 1, SHAPE(4), 1, 7, 13, 19);
  CHECK(file, "bool", TENSOR_BOOL, 1, SHAPE(2), 1, 0);
  CHECK(file, "scalar", TENSOR_F32, 0, SHAPE(0), 2.5f);
  CHECK(file, "empty", TENSOR_F32, 2, SHAPE(0, 3), 0);
  CHECK(file, "parameter", TENSOR_F32, 1, SHAPE(2), 0, 1);
  tensor_file_close(file);
}
END_TEST

/* A checkpoint of a wrapped model in training, with all that stands beside the weights. */
START_TEST(training_checkpoint) {
  TensorFile *file = open_file("training.pth", NULL);
  ck_assert_uint_eq(file->count, 7);
  CHECK(file, "0.weight", TENSOR_F32, 2, SHAPE(3, 2), 0, 1, 2, 3, 4, 5);
  CHECK(file, "1.bias", TENSOR_F32, 1, SHAPE(3), 30, 31, 32);
  CHECK(file, "1.num_batches_tracked", TENSOR_I64, 0, SHAPE(0), 1);
  ck_assert_str_eq(file->note,
                   "the weights are those of 'model'; the file has 'model' (7 tensors), 'model_ema' (7 tensors), "
                   "'optimizer' (12 tensors); 'module.' was taken off the names");
  tensor_file_close(file);
  file = open_file("training.pth", "model_ema");
  CHECK(file, "1.bias", TENSOR_F32, 1, SHAPE(3), 31, 32, 33);
  tensor_file_close(file);
  file = open_file("training.pth", "optimizer.state");
  CHECK(file, "3.step", TENSOR_F32, 0, SHAPE(0), 1);
  tensor_file_close(file);
  file = open_file("training.pth", ".");
  ck_assert_ptr_nonnull(tensor_file_find(file, "model.module.0.weight"));
  ck_assert_ptr_nonnull(
      strstr(file->note, "values beside the tensors left alone, such as 'optimizer.param_groups.0.lr'"));
  tensor_file_close(file);
}
END_TEST

START_TEST(other_forms) {
  TensorFile *file = open_file("legacy.pth", NULL), *zip = open_file("training.pth", NULL);
  ck_assert_uint_eq(file->count, zip->count);
  for (size_t i = 0; i < file->count; i++) {
    const Tensor *tensor = &file->tensor[i], *same = tensor_file_find(zip, tensor->name);
    ck_assert(same && same->count == tensor->count && same->type == tensor->type);
    ck_assert_mem_eq(tensor->bytes, same->bytes, (size_t)tensor->count * tensor_type_size(tensor->type));
  }
  tensor_file_close(file);
  tensor_file_close(zip);
  file = open_file("protocol4.pth", NULL);
  CHECK(file, "b", TENSOR_F32, 2, SHAPE(2, 2), 1, 1, 1, 1);
  CHECK(file, "a", TENSOR_F32, 1, SHAPE(1), 0);
  tensor_file_close(file);
  file = open_file("modern.pth", NULL);
  CHECK(file, "w", TENSOR_F32, 2, SHAPE(3, 2), 0, 3, 1, 4, 2, 5);
  CHECK(file, "v", TENSOR_F32, 1, SHAPE(2), 1, 1);
  tensor_file_close(file);
}
END_TEST

/* A SiMBA's state dict, by way of torch.save, is the file of the same tensors as safetensors, byte for byte. */
START_TEST(round_trip) {
  char path[512], direct[128], converted[128];
  snprintf(path, sizeof path, "%s/parity/forecaster_time.safetensors", TESTS_FOLDER);
  TensorFile *golden = NULL, *torch = open_file("forecaster_time.pth", NULL);
  ck_assert_int_eq(tensor_file_open(path, &golden, NULL), SIMBA_OK);
  Tensor parameters[100];
  size_t count = 0;
  for (size_t i = 0; i < golden->count; i++) {
    if (strncmp(golden->tensor[i].name, "param.", 6) != 0) continue;
    ck_assert_uint_lt(count, 100);
    parameters[count] = golden->tensor[i];
    parameters[count++].name += 6;
  }
  ck_assert_uint_gt(count, 30);
  ck_assert_int_eq(tensor_file_write(in_folder("direct", direct), parameters, count, NULL, 0, NULL), SIMBA_OK);
  ck_assert_int_eq(tensor_file_write(in_folder("converted", converted), torch->tensor, torch->count, NULL, 0, NULL),
                   SIMBA_OK);
  char *bytes[2];
  size_t size[2];
  ck_assert_int_eq(file_read(direct, &bytes[0], &size[0], NULL), SIMBA_OK);
  ck_assert_int_eq(file_read(converted, &bytes[1], &size[1], NULL), SIMBA_OK);
  ck_assert_uint_eq(size[0], size[1]);
  ck_assert_mem_eq(bytes[0], bytes[1], size[0]);
  free(bytes[0]);
  free(bytes[1]);
  tensor_file_close(golden);
  tensor_file_close(torch);
}
END_TEST

/* ---- What nobody should write ---- */

static simba_status parse(const Bytes *bytes, const char *key, TensorFile **out_file, simba_error *error) {
  const simba_weights_source source = {.size = sizeof source, .path = "f.pth", .key = key};
  *error = (simba_error){0};
  *out_file = NULL;
  return weights_parse(&source, bytes->data, bytes->size, out_file, error);
}

/* A file with this pickle and one storage of two floats. */
static Bytes torch_file(const void *pickle, size_t size) {
  static const float storage[2] = {1.5f, -2};
  ZipBytes zip = {0};
  zip_add(&zip, "a/data.pkl", pickle, size);
  zip_add(&zip, "a/byteorder", "little", 6);
  zip_add(&zip, "a/data/0", storage, sizeof storage);
  return zip_end(&zip);
}

static simba_status parse_pickle(const void *pickle, size_t size, TensorFile **out_file, simba_error *error) {
  Bytes bytes = torch_file(pickle, size);
  simba_status status = parse(&bytes, NULL, out_file, error);
  free(bytes.data);
  return status;
}

/* Numbers are octal, so that what follows them cannot become a part of them. */
#define STORAGE(type, key, elements) \
  "(X\007\000\000\000storagectorch\n" type "\nX\001\000\000\000" key "X\003\000\000\000cpu" elements "tQ"
#define TENSOR(storage, offset, shape, strides) \
  "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset shape strides "\211NtR"
#define FLOATS STORAGE("FloatStorage", "0", "K\002")
#define GOOD TENSOR(FLOATS, "K\000", "K\002\205", "K\001\205")
#define DICT(value) "\200\002}X\001\000\000\000w" value "s."

typedef struct Hostile {
  const char *pickle;
  size_t size;
  const char *message; /* behind "f.pth: " */
} Hostile;
#define PICKLE(text) text, sizeof(text) - 1

#define FORBIDDEN(at, name) \
  "a/data.pkl byte " at ": names '" name "', which weights are not made of; reading stopped there and nothing was run"

static const Hostile HOSTILE[] = {
    /* Code. */
    {PICKLE("\200\002cos\nsystem\nX\012\000\000\000touch ownedR."), FORBIDDEN("2", "os.system")},
    {PICKLE("\200\002cposix\nsystem\nX\012\000\000\000touch owned\205R."), FORBIDDEN("2", "posix.system")},
    {PICKLE("\200\004\214\010builtins\214\004eval\223."), FORBIDDEN("18", "builtins.eval")},
    {PICKLE(DICT(GOOD "s}X\001\000\000\000vcsubprocess\nPopen\n")), FORBIDDEN("114", "subprocess.Popen")},
    {PICKLE("\200\002ctorch\nload\n."), FORBIDDEN("2", "torch.load")},
    {PICKLE("\200\002ctorch._utils\n_rebuild_tensor_v2.__globals__\n."),
     FORBIDDEN("2", "torch._utils._rebuild_tensor_v2.__globals__")},
    {PICKLE("\200\002cc\033[31m\nx\n."), FORBIDDEN("2", "c?[31m.x")},
    {PICKLE("\200\002(ios\nsystem\n."), "a/data.pkl byte 3: instruction 0x69 is not one that data is made of"},
    {PICKLE("\200\002(o."), "a/data.pkl byte 3: instruction 0x6f is not one that data is made of"},
    {PICKLE("\200\002\202\001."), "a/data.pkl byte 2: instruction 0x82 is not one that data is made of"},
    {PICKLE("\200\002P0\n."), "a/data.pkl byte 2: instruction 0x50 is not one that data is made of"},
    {PICKLE("\200\004\222."), "a/data.pkl byte 2: instruction 0x92 is not one that data is made of"},
    {PICKLE("\200\005\227."), "a/data.pkl byte 2: instruction 0x97 is not one that data is made of"},
    {PICKLE("\200\002K\001)R."), "a/data.pkl byte 5: calls what is no name"},
    {PICKLE("\200\002ctorch\nSize\nK\001R."), "a/data.pkl byte 16: calls with what is no tuple"},
    {PICKLE("\200\002K\001}b."), "a/data.pkl byte 5: gives attributes to what is no object"},
    /* A machine that is asked for what it does not have. */
    {PICKLE(""), "a/data.pkl byte 0: the pickle ends within an instruction"},
    {PICKLE("\200\002}"), "a/data.pkl byte 3: the pickle ends within an instruction"},
    {PICKLE("\200\002."), "a/data.pkl byte 2: the pickle ends with more or less than one value"},
    {PICKLE("\200\002}}."), "a/data.pkl byte 4: the pickle ends with more or less than one value"},
    {PICKLE("\200\002(}."), "a/data.pkl byte 4: the pickle ends with more or less than one value"},
    {PICKLE("\200\0020."), "a/data.pkl byte 2: an instruction finds its stack empty"},
    {PICKLE("\200\002a."), "a/data.pkl byte 2: an instruction finds its stack empty"},
    {PICKLE("\200\002](a."), "a/data.pkl byte 4: an instruction finds its stack empty"},
    {PICKLE("\200\002t."), "a/data.pkl byte 2: there is no mark"},
    {PICKLE("\200\002(K\001d."), "a/data.pkl byte 5: a dict with a key that has no value"},
    {PICKLE("\200\002}K\001a."), "a/data.pkl byte 5: puts items into what is no container for them"},
    {PICKLE("\200\002h\007."), "a/data.pkl byte 2: takes from the memo what was never put there"},
    {PICKLE("\200\002Nr\377\377\377\377."), "a/data.pkl byte 3: a memo index of more than the pickle's bytes"},
    {PICKLE("\200\002X\377\377\377\377abc."), "a/data.pkl byte 2: the pickle ends within an instruction"},
    {PICKLE("\200\004\215\377\377\377\377\377\377\377\377abc."),
     "a/data.pkl byte 2: the pickle ends within an instruction"},
    {PICKLE("\200\002cos"), "a/data.pkl byte 2: the pickle ends within an instruction"},
    /* Tensors that are none. */
    {PICKLE(DICT(TENSOR(STORAGE("FloatStorage", "1", "K\002"), "K\000", "K\002\205", "K\001\205"))),
     "tensor 'w' (a/data.pkl byte 93): its storage is not in the file"},
    {PICKLE(DICT(TENSOR(STORAGE("FloatStorage", "0", "K\003"), "K\000", "K\002\205", "K\001\205"))),
     "tensor 'w' (a/data.pkl byte 93): its storage has fewer bytes than it should have"},
    {PICKLE(DICT(TENSOR(STORAGE("DoubleStorage", "0", "\212\010\000\000\000\000\000\000\000\100"), "K\000", "K\002\205",
                        "K\001\205"))),
     "tensor 'w' (a/data.pkl byte 102): its storage has fewer bytes than it should have"},
    {PICKLE(DICT(TENSOR(STORAGE("ComplexFloatStorage", "0", "K\001"), "K\000", "K\001\205", "K\001\205"))),
     "tensor 'w' (a/data.pkl byte 100): complex numbers: save torch.view_as_real(...) of them"},
    {PICKLE(DICT(TENSOR(FLOATS, "K\001", "K\002\205", "K\001\205"))),
     "tensor 'w' (a/data.pkl byte 105): a tensor reaches beyond its storage"},
    {PICKLE(DICT(TENSOR(FLOATS, "K\000", "K\002\205", "K\002\205"))),
     "tensor 'w' (a/data.pkl byte 105): a tensor reaches beyond its storage"},
    {PICKLE(DICT(TENSOR(FLOATS, "K\000", "J\377\377\377\177\205", "K\000\205"))),
     "tensor 'w' (a/data.pkl byte 108): a tensor has more elements than its storage: save a copy, "
     "tensor.contiguous()"},
    {PICKLE(DICT(TENSOR(FLOATS, "K\000",
                        "\212\010\000\000\000\000\000\000\000\100\212\010\000\000\000\000\000\000\000\100\206",
                        "K\000K\000\206"))),
     "tensor 'w' (a/data.pkl byte 125): a tensor reaches beyond its storage"},
    {PICKLE(DICT(TENSOR(FLOATS, "K\000", "J\377\377\377\377\205", "K\001\205"))),
     "tensor 'w' (a/data.pkl byte 96): an extent, a stride or an offset that is no whole number or less than 0"},
    {PICKLE(DICT(TENSOR(FLOATS, "K\000", "K\001K\001\206", "K\001\205"))),
     "tensor 'w' (a/data.pkl byte 107): a tensor's strides are not its axes'"},
    {PICKLE(DICT(TENSOR(FLOATS, "K\000", "(K\001K\001K\001K\001K\001K\001K\001K\001K\001t", "K\001\205"))),
     "tensor 'w' (a/data.pkl byte 115): a tensor of more than 8 axes"},
    {PICKLE(DICT("ctorch._utils\n_rebuild_tensor_v2\n)R")),
     "tensor 'w' (a/data.pkl byte 43): a tensor with too few arguments"},
    {PICKLE(DICT(TENSOR("N", "K\000", "K\002\205", "K\001\205"))),
     "tensor 'w' (a/data.pkl byte 43): a tensor without a storage"},
    {PICKLE(DICT("ctorch._utils\n_rebuild_parameter\nctorch._utils\n_rebuild_parameter\n)R\205R")),
     "tensor 'w' (a/data.pkl byte 76): a parameter that is no tensor"},
    {PICKLE("\200\002}X\002\000\000\000w\033" GOOD "s."), "a/data.pkl byte 2: a name with a control character"},
    {PICKLE("\200\002}X\003\000\000\000\355\240\200" GOOD "s."), "a/data.pkl byte 2: a name that is not UTF-8"},
    {PICKLE("\200\002}X\001\000\000\000\303" GOOD "s."), "a/data.pkl byte 2: a name that is not UTF-8"},
    {PICKLE("\200\002}N" GOOD "s."), "a/data.pkl byte 3: a key that is no text"},
    {PICKLE("\200\002}(X\001\000\000\000w" GOOD "X\001\000\000\000w" GOOD "u."), "two tensors have the name 'w'"},
    /* Files that hold something else. */
    {PICKLE("\200\002]."), "a/data.pkl byte 2: the file holds a list: save model.state_dict()"},
    {PICKLE("\200\002" GOOD "."), "a/data.pkl byte 98: the file holds a single tensor: save model.state_dict()"},
    {PICKLE("\200\002}."), "holds no tensors"},
    {PICKLE("\200\002}(X\001\000\000\000a}X\001\000\000\000w" GOOD "sX\001\000\000\000b}X\001\000\000\000w" GOOD "su."),
     "which dict holds the weights? A key chooses: 'a' (1 tensor), 'b' (1 tensor), or '.' for all of the file"},
};

START_TEST(hostile_pickles) {
  const Hostile *hostile = &HOSTILE[_i];
  TensorFile *file;
  simba_error error;
  simba_status status = parse_pickle(hostile->pickle, hostile->size, &file, &error);
  ck_assert_msg(status == SIMBA_DATA_ERROR || status == SIMBA_INVALID_ARGUMENT, "case %d was read", _i);
  char expected[512];
  snprintf(expected, sizeof expected, "f.pth: %s", hostile->message);
  ck_assert_msg(strncmp(error.message, expected, strlen(expected)) == 0, "case %d says: %s\nexpected:  %s", _i,
                error.message, expected);
  ck_assert_int_ne(access("owned", F_OK), 0);
}
END_TEST

START_TEST(good_pickle) {
  TensorFile *file;
  simba_error error;
  ck_assert_msg(parse_pickle(PICKLE(DICT(GOOD)), &file, &error) == SIMBA_OK, "%s", error.message);
  CHECK(file, "w", TENSOR_F32, 1, SHAPE(2), 1.5f, -2);
  tensor_file_close(file);
}
END_TEST

static void check_bounds(const Bytes *pickle) {
  TensorFile *file;
  simba_error error;
  ck_assert_int_eq(parse_pickle(pickle->data, pickle->size, &file, &error), SIMBA_DATA_ERROR);
  ck_assert_msg(strstr(error.message, "beyond all bounds") != NULL, "%s", error.message);
}

/* Lists in lists, deeper than any stack; dicts that hold themselves; and lists that hold the one before twice, which few
 * bytes make 2^40 of. */
START_TEST(bottomless_pickles) {
  Bytes deep = {0}, cycle = {0}, doubled = {0};
  bytes_add(&deep, PICKLE("\200\002}X\001\000\000\000w"));
  for (int i = 0; i < 100000; i++) bytes_add(&deep, "]", 1);
  for (int i = 1; i < 100000; i++) bytes_add(&deep, "a", 1);
  bytes_add(&deep, "s.", 2);
  check_bounds(&deep);
  bytes_add(&cycle, PICKLE("\200\002}q\000X\001\000\000\000wh\000s."));
  check_bounds(&cycle);
  bytes_add(&doubled, PICKLE("\200\002}X\001\000\000\000w]q\000"));
  for (int i = 0; i < 40; i++) {
    const char twice[] = {']', 'q', (char)(i + 1), 'h', (char)i, 'a', 'h', (char)i, 'a'};
    bytes_add(&doubled, twice, sizeof twice);
    bytes_add(&doubled, "q\377", 2);
    bytes_add(&doubled, "0h\377", 3); /* the list below is left alone, this one goes on top of it */
    bytes_add(&doubled, "\206", 1);
  }
  bytes_add(&doubled, "s.", 2);
  check_bounds(&doubled);
  free(deep.data);
  free(cycle.data);
  free(doubled.data);
}
END_TEST

/* Many transposed views of one storage would be as many copies. */
START_TEST(copies_are_bounded) {
  enum { SIDE = 64, VIEWS = 200 };
  static float storage[SIDE * SIDE];
  Bytes pickle = {0};
  bytes_add(&pickle, PICKLE("\200\002]("));
  static const char view[] =
      TENSOR(STORAGE("FloatStorage", "0", "M\000\020"), "K\000", "K\100K\100\206", "K\001K\100\206");
  bytes_add(&pickle, view, sizeof view - 1);
  bytes_add(&pickle, "q\000", 2);
  for (int i = 1; i < VIEWS; i++) bytes_add(&pickle, "h\000", 2);
  bytes_add(&pickle, PICKLE("eq\0010}X\001\000\000\000wh\001s."));
  ZipBytes zip = {0};
  zip_add(&zip, "a/data.pkl", pickle.data, pickle.size);
  zip_add(&zip, "a/data/0", storage, sizeof storage);
  Bytes bytes = zip_end(&zip);
  TensorFile *file;
  simba_error error;
  ck_assert_int_eq(parse(&bytes, NULL, &file, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "f.pth: its transposed tensors have more than 8 times the bytes of the file");
  free(pickle.data);
  free(bytes.data);
}
END_TEST

/* ---- Zip files ---- */

static void check_zip(ZipBytes *zip, const char *message) {
  Bytes bytes = zip_end(zip);
  TensorFile *file;
  simba_error error;
  ck_assert_msg(parse(&bytes, NULL, &file, &error) == SIMBA_DATA_ERROR, "was read, expected: %s", message);
  ck_assert_str_eq(error.message, message);
  free(bytes.data);
}

static const float TWO_FLOATS[2] = {1.5f, -2};

/* A good file but for what the directory says of its storage. */
static void check_claim(const ZipClaim *change, const char *message) {
  ZipBytes zip = {0};
  zip_add(&zip, "a/data.pkl", PICKLE(DICT(GOOD)));
  ZipClaim claim = zip_add_data(&zip, "a/data/0", TWO_FLOATS, sizeof TWO_FLOATS);
  claim.checksum ^= change->checksum;
  claim.stored += change->stored;
  claim.unpacked += change->unpacked;
  claim.offset += change->offset;
  claim.flags |= change->flags;
  claim.method = change->method;
  zip_claim_entry(&zip, "a/data/0", &claim);
  check_zip(&zip, message);
}

START_TEST(hostile_entries) {
  check_claim(&(ZipClaim){.method = 8}, "f.pth: entry 'a/data/0': is compressed: weights are stored as they are");
  check_claim(&(ZipClaim){.unpacked = 1u << 30},
              "f.pth: entry 'a/data/0': is compressed: weights are stored as they are");
  check_claim(&(ZipClaim){.unpacked = 1u << 30, .stored = 1u << 30},
              "f.pth: entry 'a/data/0': its size is more than the file's");
  check_claim(&(ZipClaim){.flags = 1}, "f.pth: entry 'a/data/0': is encrypted");
  check_claim(&(ZipClaim){.checksum = 1}, "f.pth: entry 'a/data/0': its header is damaged");
  check_claim(&(ZipClaim){.offset = 1}, "f.pth: entry 'a/data/0': its header is damaged");
}
END_TEST

/* One block of bytes that a hundred entries share. */
START_TEST(overlapping_entries) {
  static char block[20000];
  ZipBytes zip = {0};
  zip_add(&zip, "a/data.pkl", PICKLE(DICT(GOOD)));
  ZipClaim claim = zip_add_data(&zip, "a/data/0", block, sizeof block);
  for (int i = 0; i < 100; i++) zip_claim_entry(&zip, "a/data/0", &claim);
  check_zip(&zip, "f.pth: entry 'a/data/0': entries share bytes: together they have more than the file");
  zip = (ZipBytes){0};
  zip_add(&zip, "a/data.pkl", PICKLE(DICT(GOOD)));
  zip_add(&zip, "a/data.pkl", PICKLE(DICT(GOOD)));
  check_zip(&zip, "f.pth: entry 'a/data.pkl': is in the file twice");
}
END_TEST

START_TEST(other_zip_files) {
  ZipBytes zip = {0};
  zip_add(&zip, "word/document.xml", "x", 1);
  check_zip(&zip, "f.pth: a zip file without data.pkl: torch.save did not write it");
  zip = (ZipBytes){0};
  zip_add(&zip, "a/data.pkl", PICKLE(DICT(GOOD)));
  zip_add(&zip, "b/data.pkl", PICKLE(DICT(GOOD)));
  check_zip(&zip, "f.pth: a zip file with more than one data.pkl, which torch.save does not write");
  zip = (ZipBytes){0};
  zip_add(&zip, "a/data.pkl", PICKLE(DICT(GOOD)));
  zip_add(&zip, "a/byteorder", "big", 3);
  check_zip(&zip, "f.pth: its numbers are not little-endian (entry byteorder): load and save it on such a machine");
}
END_TEST

START_TEST(flipped_bits) {
  Bytes bytes = torch_file(PICKLE(DICT(GOOD)));
  TensorFile *file;
  simba_error error;
  unsigned char *storage = memmem(bytes.data, bytes.size, TWO_FLOATS, sizeof TWO_FLOATS);
  unsigned char *pickle = memmem(bytes.data, bytes.size, "_rebuild_tensor", 15);
  ck_assert(storage && pickle);
  storage[3] ^= 1;
  ck_assert_int_eq(parse(&bytes, NULL, &file, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "f.pth: entry 'a/data/0' is damaged: its checksum is another one");
  storage[3] ^= 1;
  pickle[0] ^= 1;
  ck_assert_int_eq(parse(&bytes, NULL, &file, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "f.pth: entry 'a/data.pkl' is damaged: its checksum is another one");
  free(bytes.data);
}
END_TEST

START_TEST(truncated_anywhere) {
  Bytes bytes = torch_file(PICKLE(DICT(GOOD)));
  TensorFile *file;
  simba_error error;
  for (size_t size = bytes.size; size-- > 0;) {
    Bytes less = {.data = bytes.data, .size = size};
    ck_assert_msg(parse(&less, NULL, &file, &error) == SIMBA_DATA_ERROR, "%zu bytes of %zu were read", size,
                  bytes.size);
    ck_assert_int_eq(strncmp(error.message, "f.pth: ", 7), 0);
  }
  free(bytes.data);
}
END_TEST

START_TEST(truncated_legacy) {
  char path[512], *bytes;
  size_t size;
  snprintf(path, sizeof path, "%s/torch/legacy.pth", TESTS_FOLDER);
  ck_assert_int_eq(file_read(path, &bytes, &size, NULL), SIMBA_OK);
  TensorFile *file;
  simba_error error;
  for (size_t less = 0; less < size; less++) {
    Bytes part = {.data = (unsigned char *)bytes, .size = less};
    ck_assert_msg(parse(&part, NULL, &file, &error) == SIMBA_DATA_ERROR, "%zu bytes were read", less);
  }
  char *order = memmem(bytes, size, "little_endian", 13);
  ck_assert_ptr_nonnull(order);
  order = memchr(order, '\210', size - (size_t)(order - bytes)); /* True */
  *order = '\211';
  Bytes whole = {.data = (unsigned char *)bytes, .size = size};
  ck_assert_int_eq(parse(&whole, NULL, &file, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "f.pth: its numbers are not little-endian: load and save it on such a machine");
  free(bytes);
}
END_TEST

/* Keys that are not there, and a model that was pickled as a whole. */
START_TEST(refused_files) {
  char path[512], *bytes;
  size_t size;
  simba_error error;
  TensorFile *file;
  snprintf(path, sizeof path, "%s/torch/training.pth", TESTS_FOLDER);
  ck_assert_int_eq(file_read(path, &bytes, &size, NULL), SIMBA_OK);
  Bytes part = {.data = (unsigned char *)bytes, .size = size};
  ck_assert_int_eq(parse(&part, "ema", &file, &error), SIMBA_INVALID_ARGUMENT);
  ck_assert_str_eq(
      error.message,
      "f.pth: there is no 'ema' in the file; there is: 'model', 'model_ema', 'optimizer', 'epoch', 'args', "
      "'best', 'random'");
  free(bytes);
  snprintf(path, sizeof path, "%s/torch/module.pth", TESTS_FOLDER);
  ck_assert_int_eq(file_read(path, &bytes, &size, NULL), SIMBA_OK);
  part = (Bytes){.data = (unsigned char *)bytes, .size = size};
  ck_assert_int_eq(parse(&part, NULL, &file, &error), SIMBA_DATA_ERROR);
  ck_assert_ptr_nonnull(strstr(error.message, "names 'torch.nn.modules.container.Sequential'"));
  ck_assert_ptr_nonnull(strstr(error.message, "save model.state_dict() alone"));
  free(bytes);
  part = (Bytes){.data = (unsigned char *)"not weights", .size = 11};
  ck_assert_int_eq(parse(&part, NULL, &file, &error), SIMBA_DATA_ERROR);
  ck_assert_ptr_nonnull(strstr(error.message, "f.pth: not what torch.save writes"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_torch");
  TCase *cases = tcase_create("torch");
  tcase_add_unchecked_fixture(cases, enter_folder, leave_folder);
  tcase_add_test(cases, types_and_views);
  tcase_add_test(cases, training_checkpoint);
  tcase_add_test(cases, other_forms);
  tcase_add_test(cases, round_trip);
  tcase_add_test(cases, good_pickle);
  tcase_add_loop_test(cases, hostile_pickles, 0, (int)(sizeof HOSTILE / sizeof *HOSTILE));
  tcase_add_test(cases, bottomless_pickles);
  tcase_add_test(cases, copies_are_bounded);
  tcase_add_test(cases, hostile_entries);
  tcase_add_test(cases, overlapping_entries);
  tcase_add_test(cases, other_zip_files);
  tcase_add_test(cases, flipped_bits);
  tcase_add_test(cases, truncated_anywhere);
  tcase_add_test(cases, truncated_legacy);
  tcase_add_test(cases, refused_files);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
