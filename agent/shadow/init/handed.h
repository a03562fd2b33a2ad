#pragma once
// Descriptors that a shadow's service inherits, in the places where it expects them.

enum { MOST_HANDED = 128 };

struct handed {
  int first;  // descriptor; the others follow it
  int count;
  int numbers[MOST_HANDED];
};

// Reads "LEASE_FD[,NUMBER…]": what follows the lease, in its order, becomes these numbers. -1 if it is no such text.
int parse_handed(const char* text, int* lease, struct handed* handed);

// In the service's process, before exec: puts them in their places. Where LISTEN_FDS is set they are promised to this
// process (sd_listen_fds(3)). -1 and errno on failure.
int put_in_place(const struct handed* handed);
