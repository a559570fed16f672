#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "broker/server/protocol.h"
#include "broker/server/worker.h"
#include "io/sync.h"
#include "storage/file_slice.h"

namespace sluice::broker {

/// The smallest protocol there can be, to test what carries protocols. After "ECHO", frames of
/// `u32 size | command | text`, answered with themselves. Commands: 'e' at once; 'w' when
/// release() was called, and others may begin before; 'o' likewise, but others may not; 'l' at
/// once, with the slices of EchoFrontEnd behind it; 'C' as 'e', in the control class.
class EchoFrontEnd final : public FrontEnd {
 public:
  static constexpr size_t kMostBytes = 4_MiB;

  bool recognises(std::span<const std::byte, kOpeningBytes> opening) const override {
    return as_text(opening) == "ECHO";
  }
  std::optional<Caller> who_calls(ByteView begin) const override {
    if (!brokers_begin_with_control) return Caller::client;
    if (begin.size() <= kOpeningBytes + 4) return std::nullopt;
    return begin[kOpeningBytes + 4] == std::byte{'C'} ? Caller::broker : Caller::client;
  }
  size_t preamble() const override { return kOpeningBytes; }
  std::unique_ptr<Protocol> open(ProtocolPorts ports) override;
  std::string_view name() const override { return "echo"; }
  std::span<const std::string_view> apis() const override { return kApis; }

  void release() { released_.notify_all(); }

  /// In the order they were begun, the texts of all requests.
  std::vector<std::string> begun;
  /// By worker, the connections that it has served.
  std::map<size_t, size_t> opened;
  std::vector<storage::FileSlice> slices;
  /// Whose first frame is in the control class is a broker.
  bool brokers_begin_with_control = false;
  /// What every request delays its connection by.
  Duration delay{0};

 private:
  friend class EchoProtocol;
  static constexpr std::array<std::string_view, 1> kApis = {"echo"};
  io::Signal released_;
};

class EchoProtocol final : public Protocol {
 public:
  EchoProtocol(EchoFrontEnd& front_end, ProtocolPorts ports)
      : front_end_(front_end), ports_(ports) {}

  Result<FrameHead> measure(ByteView begin) override {
    if (begin.size() < 5) return FrameHead{};
    const size_t size = size_t{4} + load_be<uint32_t>(begin.data());
    if (size > EchoFrontEnd::kMostBytes) return fail(Errc::frame_too_large);
    if (size < 5) return fail(Errc::malformed_frame);
    return FrameHead{size,
                     begin[4] == std::byte{'C'} ? TrafficClass::control : TrafficClass::client};
  }

  io::Task<void> handle(Exchange& exchange) override {
    const uint64_t ticket = front_end_.released_.ticket();
    const std::string text(as_text(exchange.frame.subspan(5)));
    const auto command = static_cast<char>(exchange.frame[4]);
    front_end_.begun.push_back(text);
    exchange.delay = front_end_.delay;
    answer(exchange, command, text);
    exchange.release_frame();
    if (command == 'w') exchange.release_order();
    if (command == 'w' || command == 'o') {
      ++waiting_;
      while (!ended_ && front_end_.released_.ticket() == ticket) {
        co_await front_end_.released_.wait(ticket);
      }
      --waiting_;
    }
  }

  void refuse(Exchange& exchange, const Error& why) override {
    answer(exchange, '!', name_of(why.code()));
  }
  void end() override {
    ended_ = true;
    if (waiting_ > 0) front_end_.released_.notify_all();
  }

 private:
  void answer(Exchange& exchange, char command, std::string_view text) {
    auto room =
        exchange.response.make_room(5 + text.size(), ports_.worker.buffers(exchange.traffic));
    if (!room) {
      exchange.response.close_after = true;
      return;
    }
    size_t size = 1 + text.size();
    if (command == 'l') {
      for (const auto& slice : front_end_.slices) {
        exchange.response.slices.push_back(slice);
        size += slice.length;
      }
    }
    store_be<uint32_t>(room->data(), static_cast<uint32_t>(size));
    (*room)[4] = static_cast<std::byte>(command);
    std::ranges::copy(as_bytes(text), room->begin() + 5);
  }

  EchoFrontEnd& front_end_;
  const ProtocolPorts ports_;
  size_t waiting_ = 0;
  bool ended_ = false;
};

inline std::unique_ptr<Protocol> EchoFrontEnd::open(ProtocolPorts ports) {
  ++opened[ports.worker.index()];
  return std::make_unique<EchoProtocol>(*this, ports);
}

/// A frame of the echo protocol.
inline std::string echo_frame(char command, std::string_view text) {
  std::string frame(5 + text.size(), '\0');
  store_be<uint32_t>(reinterpret_cast<std::byte*>(frame.data()),
                     static_cast<uint32_t>(1 + text.size()));
  frame[4] = command;
  std::ranges::copy(text, frame.begin() + 5);
  return frame;
}

}  // namespace sluice::broker
