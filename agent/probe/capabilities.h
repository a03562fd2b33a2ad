#pragma once
// Which of the probe's programs this kernel takes: found by loading them, never by its version or its configuration.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace gnomon::probe {

// Ways of seeing what a service reads, in the order they are chosen. docs/kernel-support.md says what each does not
// see.
enum class TapDesign {
  kPacketCopy,     // as the kernel copies from a packet to the service: tp_btf/skb_copy_datagram_iovec
  kReceiveReturn,  // from the service's buffer when its read is over: fexit/tcp_recvmsg
  kReceiveCall,    // the same, the buffer found in the system call's arguments: tp_btf/sock_recv_length
};

// "packet-copy", "receive-return", "receive-call"
std::string_view design_name(TapDesign design);

// A program that was loaded to see whether it can be.
struct Attempt {
  std::string program;  // its name in the kernel
  std::string hook;     // its section: "tp_btf/sk_data_ready"
  bool loads = false;
  int error = 0;       // errno's value; 0 if it loads
  std::string reason;  // the kernel's and libbpf's, in one line; empty if it loads
};

// Attempts are in the order of choice; what is used is the first that loads.
struct Capabilities {
  struct Tap {
    TapDesign design;
    Attempt attempt;
  };
  std::vector<Tap> tap;          // one or more for each design
  std::vector<Attempt> begin;    // begin and end of connections
  std::vector<Attempt> arrival;  // a request is there to be read
  std::vector<Attempt> send;     // the service sends a response
  // The probe does without these.
  std::vector<Attempt> end;      // end of sockets, for connections whose own end was missed
  std::vector<Attempt> cause;    // how bytes were taken that the tap did not see
  std::vector<Attempt> packets;  // capture of what is spliced, as it arrives
  // Not tried before a session compares responses.
  std::vector<Attempt> responses;  // what a service sends
  std::vector<Attempt> leaving;    // … from files, as it leaves

  std::optional<TapDesign> design() const;  // none: nothing can be captured
};

// The first of the attempts that loads; null if none does.
const Attempt* first_that_loads(const std::vector<Attempt>& attempts);

// Loads each program by itself and unloads it again; nothing is attached. Takes some tens of milliseconds for each.
// Fails if the kernel has no BTF.
absl::StatusOr<Capabilities> find_capabilities();

}  // namespace gnomon::probe
