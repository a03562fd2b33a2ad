#include "agent/probe/ring_reader.h"

#include <linux/bpf.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "common/status.h"

namespace gnomon::probe {
namespace {

constexpr int kReached = -ECANCELED;  // of a handler: the ring is not to be read further

// Of what the kernel writes, in pages that may not be written to here.
std::uint64_t load(const std::uint64_t* position) {
  return __atomic_load_n(position, __ATOMIC_ACQUIRE);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RingReader>> RingReader::open(int hot_map, int large_map, Handler handler,
                                                             void* context) {
  std::unique_ptr<RingReader> reader(new RingReader(handler, context));
  reader->hot_.reset(ring_buffer__new(hot_map, &RingReader::on_record, reader.get(), nullptr));
  reader->large_.reset(ring_buffer__new(large_map, &RingReader::on_large_record, reader.get(), nullptr));
  if (!reader->hot_ || !reader->large_) return errno_status("probe: cannot map the ring buffers");
  ASSIGN_OR_RETURN(reader->hot_read_, position(hot_map, 0));
  ASSIGN_OR_RETURN(reader->hot_reserved_, position(hot_map, 1));
  ASSIGN_OR_RETURN(reader->large_read_, position(large_map, 0));
  ASSIGN_OR_RETURN(reader->large_reserved_, position(large_map, 1));
  return reader;
}

absl::StatusOr<RingReader::Position> RingReader::position(int map, int page) {
  const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, map, page * static_cast<off_t>(size));
  if (mapped == MAP_FAILED) return errno_status("probe: cannot map the positions of a ring buffer");
  return Position(static_cast<const std::uint64_t*>(mapped));
}

void RingReader::Unmap::operator()(const std::uint64_t* page) const {
  ::munmap(const_cast<std::uint64_t*>(page), static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
}

int RingReader::on_record(void* self, void* data, std::size_t size) noexcept {
  auto& reader = *static_cast<RingReader*>(self);
  reader.status_ = reader.handler_(reader.context_, {static_cast<const std::byte*>(data), size});
  return reader.status_.ok() ? 0 : -EBADMSG;
}

int RingReader::on_large_record(void* self, void* data, std::size_t size) noexcept {
  const int result = on_record(self, data, size);
  const auto& reader = *static_cast<RingReader*>(self);
  // What was read is moved on after this call: it is still where this record begins.
  const std::uint64_t end = load(reader.large_read_.get()) + (BPF_RINGBUF_HDR_SZ + size + 7) / 8 * 8;
  return result == 0 && end >= reader.stop_at_ ? kReached : result;
}

absl::Status RingReader::consume(ring_buffer* ring) {
  const int result = ring_buffer__consume(ring);
  if (!status_.ok()) return status_;
  if (result < 0 && result != kReached) return errno_status(-result, "probe: reading the ring failed");
  return absl::OkStatus();
}

absl::Status RingReader::drain() {
  stop_at_ = load(large_reserved_.get());  // before the hot ring is looked at
  const std::uint64_t older = load(hot_reserved_.get());
  RETURN_IF_ERROR(consume(hot_.get()));
  if (load(hot_read_.get()) < older || load(large_read_.get()) >= stop_at_) return absl::OkStatus();
  return consume(large_.get());
}

absl::Status RingReader::wait(Nanos timeout) {
  std::array<pollfd, 2> rings = {{{.fd = ring_buffer__epoll_fd(hot_.get()), .events = POLLIN, .revents = 0},
                                  {.fd = ring_buffer__epoll_fd(large_.get()), .events = POLLIN, .revents = 0}}};
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(timeout);
  if (::poll(rings.data(), rings.size(), static_cast<int>(wait.count())) >= 0 || errno == EINTR)
    return absl::OkStatus();
  return errno_status("probe: waiting for the ring failed");
}

}  // namespace gnomon::probe
