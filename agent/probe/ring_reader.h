#pragma once
// The reader of the probe's two rings, which hands their records over in an order that is right for each connection.

#include <bpf/libbpf.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "common/units.h"

namespace gnomon::probe {

// One thread at a time.
class RingReader {
 public:
  // The bytes of a record as it was submitted, valid during the call only.
  using Handler = absl::Status (*)(void* context, std::span<const std::byte> record);

  // Of the maps' descriptors.
  static absl::StatusOr<std::unique_ptr<RingReader>> open(int hot_map, int large_map, Handler handler, void* context);

  // Hands over the records that wait. One in the large ring was begun when the hot one was full, hence after all in
  // there: the large ring is read up to where it stood before the hot one was emptied, and not at all while a record
  // that is still being written keeps what is behind it in the hot one.
  absl::Status drain();

  // Returns when a writer asks for the reader, or after `timeout`.
  absl::Status wait(Nanos timeout);

 private:
  struct RingDeleter {
    void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
  };
  using RingPtr = std::unique_ptr<ring_buffer, RingDeleter>;

  struct Unmap {
    void operator()(const std::uint64_t* page) const;
  };
  // A page of a ring's map that begins with a position, in bytes since the ring was made (kernel/bpf/ringbuf.c).
  using Position = std::unique_ptr<const std::uint64_t, Unmap>;

  RingReader(Handler handler, void* context) : handler_(handler), context_(context) {}
  static absl::StatusOr<Position> position(int map, int page);
  absl::Status consume(ring_buffer* ring);
  static int on_record(void* self, void* data, std::size_t size) noexcept;
  static int on_large_record(void* self, void* data, std::size_t size) noexcept;

  const Handler handler_;
  void* const context_;
  RingPtr hot_, large_;
  // Up to where each ring was read, and records begun.
  Position hot_read_, hot_reserved_, large_read_, large_reserved_;
  std::uint64_t stop_at_ = 0;  // of the large ring: up to where it may be read now
  absl::Status status_;        // the handler's first that was not ok
};

}  // namespace gnomon::probe
