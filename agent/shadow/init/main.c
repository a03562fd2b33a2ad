// The first process of a shadow: starts the service, reaps what it leaves, and ends everything when its agent is gone.
//
//   gnomon-shadow-init LEASE_FD[,NUMBER…] EXECUTABLE ARGV0 [ARG…]
//
// The descriptors after LEASE_FD, in their order, become those NUMBERs of the service: what it inherits.
//
// LEASE_FD is the read end of a pipe that the agent holds the other end of and never writes to: its end of file is the
// agent's death. When the first process of a pid namespace exits, the kernel kills all others in it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/shadow/init/handed.h"

enum { EXIT_LEASE = 125, EXIT_CANNOT_START = 126 };

static pid_t start(char** arguments, const struct handed* handed, const sigset_t* original) {
  char* const executable = arguments[0];
  const pid_t child = fork();
  if (child != 0) return child;
  if (put_in_place(handed) != 0) {
    perror("gnomon-shadow-init: inherited descriptors");
    _exit(EXIT_CANNOT_START);
  }
  sigprocmask(SIG_SETMASK, original, NULL);
  setsid();
  execvp(executable, arguments + 1);  // of a copy it is a path; of a given bundle it may be a name
  fprintf(stderr, "gnomon-shadow-init: cannot start %s: %s\n", executable, strerror(errno));
  _exit(EXIT_CANNOT_START);
}

static int status_of(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

// Reaps all that has ended. Returns 1, with *status set, when it is time to exit: when the service's own process has
// failed, or nobody is left. One that daemonises exits with 0 and leaves its daemon, which is adopted here.
static int reap(pid_t service, int* status) {
  int wait_status;
  pid_t pid;
  while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
    if (pid != service) continue;
    *status = status_of(wait_status);
    if (*status != 0) return 1;
  }
  return pid < 0 && errno == ECHILD;
}

int main(int argc, char** argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: gnomon-shadow-init LEASE_FD[,NUMBER...] EXECUTABLE ARGV0 [ARG...]\n");
    return EXIT_CANNOT_START;
  }
  int lease;
  static struct handed handed;
  if (parse_handed(argv[1], &lease, &handed) != 0 || fcntl(lease, F_SETFD, FD_CLOEXEC) != 0) {
    fprintf(stderr, "gnomon-shadow-init: descriptors %s: no lease\n", argv[1]);
    return EXIT_LEASE;
  }
  for (int i = 0; i < handed.count; ++i) fcntl(handed.first + i, F_SETFD, FD_CLOEXEC);
  prctl(PR_SET_DUMPABLE, 0);  // the service shall not reach the lease through /proc or ptrace

  sigset_t handled, original;
  sigemptyset(&handled);
  sigaddset(&handled, SIGCHLD);
  sigaddset(&handled, SIGTERM);
  sigaddset(&handled, SIGINT);
  sigaddset(&handled, SIGHUP);
  sigprocmask(SIG_BLOCK, &handled, &original);
  const int signals = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
  const pid_t service = start(argv + 2, &handed, &original);
  for (int i = 0; i < handed.count; ++i) close(handed.first + i);  // who listens is the service alone
  if (signals < 0 || service < 0) {
    perror("gnomon-shadow-init");
    return EXIT_CANNOT_START;
  }

  int status = 0;
  struct pollfd waits[2] = {{.fd = lease, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
  while (1) {
    if (poll(waits, 2, -1) < 0 && errno != EINTR) return EXIT_LEASE;
    if (waits[0].revents) return EXIT_LEASE;
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == (ssize_t)sizeof info)
      if (info.ssi_signo != SIGCHLD) kill(-1, (int)info.ssi_signo);  // everybody but this process
    if (reap(service, &status)) return status;
  }
}
