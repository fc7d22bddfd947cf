#include "pickle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bounds of what one pickle may make: some 300 MB at most, and a hundred times what the largest checkpoints need. */
enum { MAX_VALUES = 1 << 22 };
static const PickleId NO_VALUE = UINT32_MAX;

/* Those that Python's protocols 2 to 5 write for data. What is not here is refused: code, classes by extension number,
 * persistent names as text, the text forms of protocol 0, buffers outside of the pickle. */
enum Opcode {
  OP_MARK = '(',
  OP_STOP = '.',
  OP_POP = '0',
  OP_POP_MARK = '1',
  OP_DUP = '2',
  OP_BINFLOAT = 'G',
  OP_BININT = 'J',
  OP_BININT1 = 'K',
  OP_BININT2 = 'M',
  OP_NONE = 'N',
  OP_BINPERSID = 'Q',
  OP_REDUCE = 'R',
  OP_BINSTRING = 'T',
  OP_SHORT_BINSTRING = 'U',
  OP_BINUNICODE = 'X',
  OP_APPEND = 'a',
  OP_BUILD = 'b',
  OP_GLOBAL = 'c',
  OP_APPENDS = 'e',
  OP_BINGET = 'h',
  OP_LONG_BINGET = 'j',
  OP_LIST = 'l',
  OP_EMPTY_LIST = ']',
  OP_BINPUT = 'q',
  OP_LONG_BINPUT = 'r',
  OP_SETITEM = 's',
  OP_TUPLE = 't',
  OP_EMPTY_TUPLE = ')',
  OP_SETITEMS = 'u',
  OP_EMPTY_DICT = '}',
  OP_DICT = 'd',
  OP_PROTO = 0x80,
  OP_NEWOBJ = 0x81,
  OP_TUPLE1 = 0x85,
  OP_TUPLE2 = 0x86,
  OP_TUPLE3 = 0x87,
  OP_NEWTRUE = 0x88,
  OP_NEWFALSE = 0x89,
  OP_LONG1 = 0x8a,
  OP_BINBYTES = 'B',
  OP_SHORT_BINBYTES = 'C',
  OP_SHORT_BINUNICODE = 0x8c,
  OP_BINUNICODE8 = 0x8d,
  OP_BINBYTES8 = 0x8e,
  OP_EMPTY_SET = 0x8f,
  OP_ADDITEMS = 0x90,
  OP_FROZENSET = 0x91,
  OP_STACK_GLOBAL = 0x93,
  OP_MEMOIZE = 0x94,
  OP_FRAME = 0x95
};

typedef struct IdList {
  PickleId *id;
  uint32_t count, capacity;
} IdList;

typedef struct Machine {
  const PickleSource *source;
  Pickle *pickle;
  size_t at, opcode_at;
  IdList stack, mark, memo; /* mark: heights of the stack */
  simba_error *error;
} Machine;

static const char *const KIND_NAME[PICKLE_KIND_COUNT] = {
    "None",   "a truth value", "a whole number", "a number", "bytes",  "text",           "a tuple",
    "a list", "a set",         "a dict",         "a name",   "a call", "a persistent id"};

const char *pickle_kind_name(PickleKind kind) { return KIND_NAME[kind]; }

bool pickle_is_text(const PickleValue *value, const char *text) {
  return value->kind == PICKLE_TEXT && value->count == strlen(text) && memcmp(value->text, text, value->count) == 0;
}

/* ---- Failing ---- */

static simba_status fail(const Machine *machine, const char *found) {
  return error_set(machine->error, SIMBA_DATA_ERROR, "%s: %s byte %zu: %s", machine->source->path,
                   machine->source->entry, machine->opcode_at, found);
}

static simba_status fail_memory(const Machine *machine) {
  return error_set_memory(machine->error, machine->source->path);
}

void pickle_printable(const char *text, size_t length, char out[PICKLE_PRINTABLE_SIZE]) {
  size_t used = 0;
  for (; used < length && used < PICKLE_PRINTABLE_SIZE - 1; used++) {
    unsigned char c = (unsigned char)text[used];
    out[used] = c >= 0x20 && c < 0x7f ? (char)c : '?';
  }
  out[used] = 0;
}

/* ---- Values ---- */

static bool list_push(IdList *list, PickleId id) {
  if (list->count == list->capacity) {
    uint32_t capacity = list->capacity ? 2 * list->capacity : 64;
    PickleId *larger = realloc(list->id, capacity * sizeof *larger);
    if (!larger) return false;
    list->id = larger;
    list->capacity = capacity;
  }
  list->id[list->count++] = id;
  return true;
}

static simba_status push(Machine *machine, PickleId id) {
  if (machine->stack.count == MAX_VALUES) return fail(machine, "its stack grows beyond all bounds");
  return list_push(&machine->stack, id) ? SIMBA_OK : fail_memory(machine);
}

/* A new value on the stack. */
static simba_status make(Machine *machine, PickleValue value) {
  Pickle *pickle = machine->pickle;
  if (pickle->count == MAX_VALUES) return fail(machine, "it makes more than 4194304 values");
  if (pickle->count == pickle->capacity) {
    uint32_t capacity = pickle->capacity ? 2 * pickle->capacity : 256;
    PickleValue *larger = realloc(pickle->value, capacity * sizeof *larger);
    if (!larger) return fail_memory(machine);
    pickle->value = larger;
    pickle->capacity = capacity;
  }
  value.offset = (uint32_t)machine->opcode_at;
  pickle->value[pickle->count] = value;
  return push(machine, pickle->count++);
}

/* What the stack holds above the last mark; no instruction takes what is below it. */
static uint32_t available(const Machine *machine) {
  const IdList *mark = &machine->mark;
  return machine->stack.count - (mark->count ? mark->id[mark->count - 1] : 0);
}

static PickleId pop(Machine *machine) {
  return available(machine) ? machine->stack.id[--machine->stack.count] : NO_VALUE;
}

static simba_status fail_empty(const Machine *machine) { return fail(machine, "an instruction finds its stack empty"); }

/* Moves the top `count` values of the stack to the end of a container. */
static simba_status move_items(Machine *machine, PickleId container, uint32_t count) {
  PickleValue *value = &machine->pickle->value[container];
  if (count > value->capacity - value->count) {
    uint32_t need = value->count + count; /* either is at most MAX_VALUES times a few */
    uint32_t capacity = need < 2 * value->capacity ? 2 * value->capacity : need;
    if (need > 2u * MAX_VALUES) return fail(machine, "a container grows beyond all bounds");
    PickleId *larger = realloc(value->item, capacity * sizeof *larger);
    if (!larger) return fail_memory(machine);
    value->item = larger;
    value->capacity = capacity;
  }
  machine->stack.count -= count;
  if (count) memcpy(value->item + value->count, machine->stack.id + machine->stack.count, count * sizeof *value->item);
  value->count += count;
  return SIMBA_OK;
}

/* A container of the top `count` values, in their place. */
static simba_status container(Machine *machine, PickleKind kind, uint32_t count) {
  if (available(machine) < count) return fail_empty(machine);
  PickleId id = machine->pickle->count;
  simba_status status = make(machine, (PickleValue){.kind = kind});
  if (status) return status;
  machine->stack.count--;
  status = move_items(machine, id, count);
  return status ? status : push(machine, id);
}

/* ---- Operands ---- */

static simba_status take(Machine *machine, uint64_t size, const char **out_bytes) {
  if (size > machine->source->size - machine->at) return fail(machine, "the pickle ends within an instruction");
  *out_bytes = machine->source->bytes + machine->at;
  machine->at += (size_t)size;
  return SIMBA_OK;
}

/* Little-endian, of 1 to 8 bytes. */
static simba_status take_unsigned(Machine *machine, uint32_t size, uint64_t *out) {
  const char *bytes = NULL;
  simba_status status = take(machine, size, &bytes);
  *out = 0;
  for (uint32_t i = 0; !status && i < size; i++) *out |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
  return status;
}

static int64_t sign_extend(uint64_t value, uint32_t bytes) {
  if (bytes < 8 && value >> (8 * bytes - 1) & 1) value |= UINT64_MAX << (8 * bytes);
  return (int64_t)value;
}

static simba_status make_integer(Machine *machine, uint32_t size, bool is_signed) {
  uint64_t bits;
  simba_status status = take_unsigned(machine, size, &bits);
  if (status) return status;
  return make(machine,
              (PickleValue){.kind = PICKLE_INTEGER, .integer = is_signed ? sign_extend(bits, size) : (int64_t)bits});
}

static simba_status make_long(Machine *machine) {
  uint64_t size;
  const char *bytes;
  simba_status status = take_unsigned(machine, 1, &size);
  if (!status && size <= 8) {
    if (size == 0) return make(machine, (PickleValue){.kind = PICKLE_INTEGER});
    return make_integer(machine, (uint32_t)size, true);
  }
  if (!status) status = take(machine, size, &bytes);
  return status ? status : make(machine, (PickleValue){.kind = PICKLE_BYTES});
}

static simba_status make_text(Machine *machine, uint32_t length_size, PickleKind kind) {
  uint64_t length;
  const char *bytes = NULL;
  simba_status status = take_unsigned(machine, length_size, &length);
  if (!status) status = take(machine, length, &bytes);
  if (status) return status;
  return make(machine, (PickleValue){.kind = kind, .text = bytes, .count = (uint32_t)length});
}

/* ---- Names ---- */

static bool same_text(const char *text, size_t length, const char *other) {
  return strlen(other) == length && memcmp(text, other, length) == 0;
}

static simba_status make_global(Machine *machine, const char *module, size_t module_length, const char *name,
                                size_t name_length) {
  const PickleSource *source = machine->source;
  for (size_t i = 0; i < source->global_count; i++) {
    const PickleGlobal *global = &source->global[i];
    if (same_text(module, module_length, global->module) && same_text(name, name_length, global->name))
      return make(machine, (PickleValue){.kind = PICKLE_GLOBAL, .global = global});
  }
  char shown_module[PICKLE_PRINTABLE_SIZE], shown_name[PICKLE_PRINTABLE_SIZE];
  pickle_printable(module, module_length, shown_module);
  pickle_printable(name, name_length, shown_name);
  return error_set(machine->error, SIMBA_DATA_ERROR,
                   "%s: %s byte %zu: names '%s.%s', which weights are not made of; reading stopped there and nothing "
                   "was run (a program that runs pickles would have; where the file is your own, save "
                   "model.state_dict() alone)",
                   source->path, source->entry, machine->opcode_at, shown_module, shown_name);
}

/* "module\nname\n" */
static simba_status read_global(Machine *machine) {
  const char *line[2];
  size_t length[2];
  for (int k = 0; k < 2; k++) {
    line[k] = machine->source->bytes + machine->at;
    size_t rest = machine->source->size - machine->at;
    const char *end = rest ? memchr(line[k], '\n', rest) : NULL;
    if (!end) return fail(machine, "the pickle ends within an instruction");
    length[k] = (size_t)(end - line[k]);
    machine->at += length[k] + 1;
  }
  return make_global(machine, line[0], length[0], line[1], length[1]);
}

static simba_status read_stack_global(Machine *machine) {
  PickleId name = pop(machine), module = pop(machine);
  if (name == NO_VALUE || module == NO_VALUE) return fail_empty(machine);
  const PickleValue *first = pickle_value(machine->pickle, module), *second = pickle_value(machine->pickle, name);
  if (first->kind != PICKLE_TEXT || second->kind != PICKLE_TEXT) return fail(machine, "a name that is no text");
  return make_global(machine, first->text, first->count, second->text, second->count);
}

/* ---- What would be calls ---- */

static simba_status call(Machine *machine) {
  if (available(machine) < 2) return fail_empty(machine);
  const PickleId *top = machine->stack.id + machine->stack.count - 2;
  const PickleValue *callable = pickle_value(machine->pickle, top[0]),
                    *arguments = pickle_value(machine->pickle, top[1]);
  if (callable->kind != PICKLE_GLOBAL) return fail(machine, "calls what is no name");
  if (arguments->kind != PICKLE_TUPLE) return fail(machine, "calls with what is no tuple");
  if (!callable->global->makes_dict) return container(machine, PICKLE_CALL, 2);
  for (uint32_t i = 0; i < arguments->count; i++)
    if (pickle_value(machine->pickle, arguments->item[i])->kind != PICKLE_GLOBAL) /* a defaultdict's factory */
      return fail(machine, "makes a dict with entries as arguments");
  machine->stack.count -= 2;
  return make(machine, (PickleValue){.kind = PICKLE_DICT});
}

/* Attributes of an object; tensors are in none. */
static simba_status build(Machine *machine) {
  if (available(machine) < 2) return fail_empty(machine);
  PickleId object = machine->stack.id[machine->stack.count - 2];
  PickleKind kind = pickle_value(machine->pickle, object)->kind;
  if (kind != PICKLE_CALL && kind != PICKLE_DICT) return fail(machine, "gives attributes to what is no object");
  machine->stack.count--;
  return SIMBA_OK;
}

/* ---- Containers ---- */

/* Values since the last mark, which goes. */
static simba_status take_mark(Machine *machine, uint32_t *out_count) {
  if (machine->mark.count == 0) return fail(machine, "there is no mark");
  *out_count = available(machine);
  machine->mark.count--;
  return SIMBA_OK;
}

static simba_status make_marked(Machine *machine, PickleKind kind) {
  uint32_t count = 0;
  simba_status status = take_mark(machine, &count);
  if (status) return status;
  if (kind == PICKLE_DICT && count % 2) return fail(machine, "a dict with a key that has no value");
  return container(machine, kind, count);
}

/* The top `count` values go into the container below them. */
static simba_status extend(Machine *machine, PickleKind kind, uint32_t count) {
  if (available(machine) < count + 1) return fail_empty(machine);
  PickleId into = machine->stack.id[machine->stack.count - count - 1];
  PickleKind found = pickle_value(machine->pickle, into)->kind;
  /* Some classes that are lists or dicts take items; what they are is not kept. */
  if (found == PICKLE_CALL) {
    machine->stack.count -= count;
    return SIMBA_OK;
  }
  if (found != kind) return fail(machine, "puts items into what is no container for them");
  if (kind == PICKLE_DICT && count % 2) return fail(machine, "a dict with a key that has no value");
  return move_items(machine, into, count);
}

static simba_status extend_marked(Machine *machine, PickleKind kind) {
  uint32_t count = 0;
  simba_status status = take_mark(machine, &count);
  return status ? status : extend(machine, kind, count);
}

/* ---- Memo ---- */

static simba_status put(Machine *machine, uint64_t index) {
  if (!available(machine)) return fail_empty(machine);
  /* Python counts them up, an instruction each. */
  if (index >= machine->source->size) return fail(machine, "a memo index of more than the pickle's bytes");
  while (machine->memo.count <= index)
    if (!list_push(&machine->memo, NO_VALUE)) return fail_memory(machine);
  machine->memo.id[index] = machine->stack.id[machine->stack.count - 1];
  return SIMBA_OK;
}

static simba_status put_operand(Machine *machine, uint32_t size) {
  uint64_t index;
  simba_status status = take_unsigned(machine, size, &index);
  return status ? status : put(machine, index);
}

static simba_status get_operand(Machine *machine, uint32_t size) {
  uint64_t index;
  simba_status status = take_unsigned(machine, size, &index);
  if (status) return status;
  if (index >= machine->memo.count || machine->memo.id[index] == NO_VALUE)
    return fail(machine, "takes from the memo what was never put there");
  return push(machine, machine->memo.id[index]);
}

/* ---- The machine ---- */

static simba_status step_stack(Machine *machine, unsigned char opcode) {
  uint32_t count;
  switch (opcode) {
    case OP_MARK:
      if (machine->mark.count == MAX_VALUES) return fail(machine, "its stack grows beyond all bounds");
      return list_push(&machine->mark, machine->stack.count) ? SIMBA_OK : fail_memory(machine);
    case OP_POP:
      if (available(machine) == 0 && machine->mark.count) return take_mark(machine, &count);
      return pop(machine) == NO_VALUE ? fail_empty(machine) : SIMBA_OK;
    case OP_POP_MARK:
      count = available(machine);
      machine->stack.count -= machine->mark.count ? count : 0;
      return take_mark(machine, &count);
    case OP_DUP:
      return available(machine) ? push(machine, machine->stack.id[machine->stack.count - 1]) : fail_empty(machine);
    case OP_BINPUT:
      return put_operand(machine, 1);
    case OP_LONG_BINPUT:
      return put_operand(machine, 4);
    case OP_MEMOIZE:
      return put(machine, machine->memo.count);
    case OP_BINGET:
      return get_operand(machine, 1);
    case OP_LONG_BINGET:
      return get_operand(machine, 4);
    default:
      break;
  }
  char found[80];
  snprintf(found, sizeof found, "instruction 0x%02x is not one that data is made of", opcode);
  return fail(machine, found);
}

static simba_status step_scalar(Machine *machine, unsigned char opcode) {
  const char *ignored;
  simba_status status;
  switch (opcode) {
    case OP_NONE:
      return make(machine, (PickleValue){.kind = PICKLE_NONE});
    case OP_NEWTRUE:
    case OP_NEWFALSE:
      return make(machine, (PickleValue){.kind = PICKLE_BOOLEAN, .integer = opcode == OP_NEWTRUE});
    case OP_BININT:
      return make_integer(machine, 4, true);
    case OP_BININT1:
      return make_integer(machine, 1, false);
    case OP_BININT2:
      return make_integer(machine, 2, false);
    case OP_LONG1:
      return make_long(machine);
    case OP_BINFLOAT:
      status = take(machine, 8, &ignored);
      return status ? status : make(machine, (PickleValue){.kind = PICKLE_REAL});
    case OP_BINUNICODE:
    case OP_BINSTRING: /* text of Python 2 */
      return make_text(machine, 4, PICKLE_TEXT);
    case OP_SHORT_BINUNICODE:
    case OP_SHORT_BINSTRING:
      return make_text(machine, 1, PICKLE_TEXT);
    case OP_BINUNICODE8:
      return make_text(machine, 8, PICKLE_TEXT);
    case OP_BINBYTES:
      return make_text(machine, 4, PICKLE_BYTES);
    case OP_SHORT_BINBYTES:
      return make_text(machine, 1, PICKLE_BYTES);
    case OP_BINBYTES8:
      return make_text(machine, 8, PICKLE_BYTES);
    default:
      return step_stack(machine, opcode);
  }
}

static simba_status step(Machine *machine, unsigned char opcode) {
  uint64_t ignored;
  switch (opcode) {
    case OP_PROTO:
      return take_unsigned(machine, 1, &ignored);
    case OP_FRAME: /* says how far the next instructions go; whoever has all of them need not know */
      return take_unsigned(machine, 8, &ignored);
    case OP_EMPTY_DICT:
      return container(machine, PICKLE_DICT, 0);
    case OP_EMPTY_LIST:
      return container(machine, PICKLE_LIST, 0);
    case OP_EMPTY_SET:
      return container(machine, PICKLE_SET, 0);
    case OP_EMPTY_TUPLE:
    case OP_TUPLE1:
    case OP_TUPLE2:
    case OP_TUPLE3:
      return container(machine, PICKLE_TUPLE, opcode == OP_EMPTY_TUPLE ? 0 : opcode - (uint32_t)OP_TUPLE1 + 1);
    case OP_TUPLE:
      return make_marked(machine, PICKLE_TUPLE);
    case OP_LIST:
      return make_marked(machine, PICKLE_LIST);
    case OP_DICT:
      return make_marked(machine, PICKLE_DICT);
    case OP_FROZENSET:
      return make_marked(machine, PICKLE_SET);
    case OP_APPEND:
      return extend(machine, PICKLE_LIST, 1);
    case OP_SETITEM:
      return extend(machine, PICKLE_DICT, 2);
    case OP_APPENDS:
      return extend_marked(machine, PICKLE_LIST);
    case OP_SETITEMS:
      return extend_marked(machine, PICKLE_DICT);
    case OP_ADDITEMS:
      return extend_marked(machine, PICKLE_SET);
    case OP_GLOBAL:
      return read_global(machine);
    case OP_STACK_GLOBAL:
      return read_stack_global(machine);
    case OP_REDUCE:
    case OP_NEWOBJ:
      return call(machine);
    case OP_BUILD:
      return build(machine);
    case OP_BINPERSID:
      return container(machine, PICKLE_PERSISTENT, 1);
    default:
      return step_scalar(machine, opcode);
  }
}

static simba_status run_machine(Machine *machine) {
  const PickleSource *source = machine->source;
  if (source->size > PICKLE_MAX_BYTES)
    return error_set(machine->error, SIMBA_DATA_ERROR, "%s: %s has %zu bytes: weights are described in at most %d",
                     source->path, source->entry, source->size, PICKLE_MAX_BYTES);
  for (;;) {
    machine->opcode_at = machine->at;
    const char *opcode = NULL;
    simba_status status = take(machine, 1, &opcode);
    if (status) return status;
    if (*opcode == OP_STOP) break;
    status = step(machine, (unsigned char)*opcode);
    if (status) return status;
  }
  if (machine->mark.count || machine->stack.count != 1)
    return fail(machine, "the pickle ends with more or less than one value");
  machine->pickle->root = machine->stack.id[0];
  machine->pickle->end = machine->at;
  return SIMBA_OK;
}

simba_status pickle_parse(const PickleSource *source, Pickle **out_pickle, simba_error *error) {
  Pickle *pickle = calloc(1, sizeof *pickle);
  if (!pickle) return error_set_memory(error, source->path);
  Machine machine = {.source = source, .pickle = pickle, .at = source->begin, .error = error};
  simba_status status = run_machine(&machine);
  free(machine.stack.id);
  free(machine.mark.id);
  free(machine.memo.id);
  if (status)
    pickle_free(pickle);
  else
    *out_pickle = pickle;
  return status;
}

void pickle_free(Pickle *pickle) {
  if (!pickle) return;
  for (uint32_t i = 0; i < pickle->count; i++)
    if (pickle->value[i].capacity) free(pickle->value[i].item);
  free(pickle->value);
  free(pickle);
}
