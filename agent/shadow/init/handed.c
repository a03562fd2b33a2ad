#define _GNU_SOURCE
#include "agent/shadow/init/handed.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int parse_handed(const char* text, int* lease, struct handed* handed) {
  char* end;
  *lease = (int)strtol(text, &end, 10);
  handed->first = *lease + 1;
  for (handed->count = 0; *end == ',' && handed->count < MOST_HANDED; ++handed->count)
    handed->numbers[handed->count] = (int)strtol(end + 1, &end, 10);
  return *end == 0 ? 0 : -1;
}

// The lease and the handed descriptors are closed on exec, and may lie where others shall be: so first out of the way.
int put_in_place(const struct handed* handed) {
  int aside[MOST_HANDED], free_from = handed->first + handed->count;
  for (int i = 0; i < handed->count; ++i)
    if (handed->numbers[i] >= free_from) free_from = handed->numbers[i] + 1;
  for (int i = 0; i < handed->count; ++i)
    if ((aside[i] = fcntl(handed->first + i, F_DUPFD_CLOEXEC, free_from)) < 0) return -1;
  for (int i = 0; i < handed->count; ++i)
    if (dup2(aside[i], handed->numbers[i]) < 0) return -1;
  char pid[16];
  snprintf(pid, sizeof pid, "%d", (int)getpid());
  return getenv("LISTEN_FDS") ? setenv("LISTEN_PID", pid, 1) : 0;
}
