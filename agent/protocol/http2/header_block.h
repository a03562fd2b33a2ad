#pragma once
// HPACK (RFC 7541) of one direction of a connection, from its start: each block has to pass through, wanted or not.

#include <nghttp2/nghttp2.h>

#include <memory>
#include <new>
#include <string>
#include <string_view>

namespace gnomon::protocol {

class Http2HeaderDecoder {
 public:
  // Decodes the next piece of a block, `last` the last of it, and hands out each field. False: it is malformed.
  template <class Take>
  bool decode(std::string_view piece, bool last, Take take) {
    if (!inflater_) begin();
    const auto* in = reinterpret_cast<const std::uint8_t*>(piece.data());
    std::size_t left = piece.size();
    while (true) {
      nghttp2_nv nv;
      int flags = 0;
      const ssize_t used = nghttp2_hd_inflate_hd2(inflater_.get(), &nv, &flags, in, left, last ? 1 : 0);
      if (used < 0) return false;
      in += used;
      left -= static_cast<std::size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) take(nv);
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && left == 0) break;
    }
    if (last) nghttp2_hd_inflate_end_headers(inflater_.get());
    return true;
  }
  // Blocks were passed over: what later ones take from those comes as fields without a name.
  void forget() {
    begin();
    // As many entries as there may be in a table of the usual size. Where it is larger, what lies beyond is malformed.
    std::string block;
    for (std::size_t i = 0; i < NGHTTP2_DEFAULT_HEADER_TABLE_SIZE / kEntryOverhead; ++i) block += kNameless;
    decode(block, true, [](const nghttp2_nv&) {});
  }
  std::size_t held_bytes() const { return inflater_ ? nghttp2_hd_inflate_get_dynamic_table_size(inflater_.get()) : 0; }
  void reset() { inflater_.reset(); }

 private:
  // An encoder may use what its peer's SETTINGS allow, which are not looked at: 4 KiB unless raised.
  static constexpr std::size_t kMostTableBytes = 64u << 10;
  static constexpr std::size_t kEntryOverhead = 32;            // RFC 7541 §4.1
  static constexpr std::string_view kNameless{"\x40\0\0", 3};  // a literal field to be added to the table (§6.2.1)
  struct Deleter {
    void operator()(nghttp2_hd_inflater* inflater) const { nghttp2_hd_inflate_del(inflater); }
  };
  void begin() {
    nghttp2_hd_inflater* made = nullptr;
    if (nghttp2_hd_inflate_new(&made) != 0) throw std::bad_alloc();
    inflater_.reset(made);
    nghttp2_hd_inflate_change_table_size(made, kMostTableBytes);
  }
  std::unique_ptr<nghttp2_hd_inflater, Deleter> inflater_;
};

// Of a field that was handed out, which is gone with the call.
inline std::string_view http2_name(const nghttp2_nv& nv) {
  return {reinterpret_cast<const char*>(nv.name), nv.namelen};
}
inline std::string_view http2_value(const nghttp2_nv& nv) {
  return {reinterpret_cast<const char*>(nv.value), nv.valuelen};
}

}  // namespace gnomon::protocol
