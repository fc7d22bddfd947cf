/* Calls of the C interface that read or write text do so in the "C" locale, whatever a host has set: its decimal comma
 * would cut 0.5 to 0, and its letters would end up in names. Of the calling thread only; its locale comes back when the
 * scope ends.
 *
 *   PLAIN_LOCALE(locale);
 */
#ifndef SIMBAC_DRIVER_PLAIN_LOCALE_H
#define SIMBAC_DRIVER_PLAIN_LOCALE_H

#include <locale.h>

typedef struct PlainLocale {
  locale_t plain, before;
} PlainLocale;

/* "C" is built into the C library: nothing is loaded or allocated. */
static inline PlainLocale plain_locale_enter(void) {
  PlainLocale locale = {.plain = newlocale(LC_ALL_MASK, "C", (locale_t)0)};
  locale.before = uselocale(locale.plain); /* changes nothing where there is none */
  return locale;
}

static inline void plain_locale_leave(PlainLocale *locale) {
  uselocale(locale->before);
  if (locale->plain) freelocale(locale->plain);
}

#define PLAIN_LOCALE(name) __attribute__((cleanup(plain_locale_leave))) PlainLocale name = plain_locale_enter()

#endif
