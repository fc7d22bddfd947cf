#include <math.h>

#include "simba.h"

double simba_schedule_rate(const simba_schedule *schedule, double t) {
  if (t < schedule->warmup)
    return schedule->warmup_rate + t * ((schedule->rate - schedule->warmup_rate) / schedule->warmup);
  if (schedule->kind == SIMBA_CONSTANT) return schedule->rate;
  if (!(t < schedule->total)) return schedule->minimum;
  const double pi = 3.14159265358979323846;
  return schedule->minimum + 0.5 * (schedule->rate - schedule->minimum) * (1 + cos(pi * t / schedule->total));
}
