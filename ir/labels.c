#include "graph.h"

#include <string.h>

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* Letters up to `end`, none twice. Returns what follows them, or NULL. */
static const char *parse_group(const char *text, const char *end, char out[SHAPE_MAX_RANK + 1]) {
  size_t count = 0;
  for (; is_letter(*text); text++) {
    if (count == SHAPE_MAX_RANK || memchr(out, *text, count)) return NULL;
    out[count++] = *text;
  }
  out[count] = '\0';
  size_t length = strlen(end);
  return strncmp(text, end, length) == 0 ? text + length : NULL;
}

bool labels_parse(const char *text, Labels *out, const char **out_message) {
  const char *rest = parse_group(text, ",", out->a);
  if (rest) rest = parse_group(rest, "->", out->b);
  if (rest) rest = parse_group(rest, "", out->result);
  if (!rest || *rest) {
    *out_message = "labels are not of the form \"ab,bc->ac\" with at most 8 letters a tensor, none twice";
    return false;
  }
  for (const char *c = out->result; *c; c++) {
    if (!strchr(out->a, *c) && !strchr(out->b, *c)) {
      *out_message = "a letter of the result is in no operand";
      return false;
    }
  }
  const char *operand[] = {out->a, out->b}, *other[] = {out->b, out->a};
  for (int k = 0; k < 2; k++) {
    for (const char *c = operand[k]; *c; c++) {
      if (!strchr(other[k], *c) && !strchr(out->result, *c)) {
        *out_message = "a letter that only one operand has is not in the result";
        return false;
      }
    }
  }
  return true;
}
