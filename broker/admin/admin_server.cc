#include "broker/admin/admin_server.h"

#include <array>
#include <utility>

#include "io/loop.h"

namespace sluice::broker {

/// Closes the socket when the peer takes too long, which ends whatever waits on it.
struct AdminServer::DropTimer final : io::Timer {
  DropTimer(io::Socket& of, Duration after)
      : socket(of), loop(*io::Loop::current()), timeout(after) {}
  ~DropTimer() {
    if (armed()) loop.disarm(*this);
  }
  void restart() { loop.arm(*this, loop.now() + timeout); }
  void fire() override { socket.close(); }

  io::Socket& socket;
  io::Loop& loop;
  const Duration timeout;
};

io::Task<Result<>> AdminServer::start() {
  CO_ASSIGN_OR_RETURN(listener_, co_await runtime_.network.listen(options_.listen));
  scope_.start(accept_all());
  co_return Result<>{};
}

io::Task<void> AdminServer::accept_all() {
  bool failed_before = false;
  while (!stopping_) {
    auto socket = co_await listener_->accept();
    if (!socket) {
      if (stopping_ || socket.error() == Errc::connection_closed) co_return;
      if (!std::exchange(failed_before, true)) {
        log_.warning("admin port: accept failed", {{"cause", socket.error().message()}});
      }
      co_await io::sleep_for(std::chrono::milliseconds(100));
      continue;
    }
    failed_before = false;
    // One too many is closed at once: a scraper tries again.
    if (sockets_.size() >= options_.max_connections) continue;
    scope_.start(serve(std::move(*socket)));
  }
}

io::Task<void> AdminServer::serve(std::unique_ptr<io::Socket> socket) {
  socket->attach(*io::Loop::current());
  sockets_.insert(socket.get());
  co_await converse(*socket);
  sockets_.erase(socket.get());
}

io::Task<void> AdminServer::converse(io::Socket& socket) {
  DropTimer timer(socket, options_.timeout);
  std::string received;
  // Not at every read: a request that comes byte by byte must end in time as well.
  timer.restart();
  for (;;) {
    auto parsed = parse_http(received);
    if (!parsed) {
      const bool large = parsed.error() == Errc::frame_too_large;
      const std::string text =
          render_http({.status = static_cast<uint16_t>(large ? 431 : 400),
                       .body = large ? "the request is too large\n" : "this is no HTTP request\n"},
                      false, false);
      const std::array<ByteView, 1> parts = {as_bytes(text)};
      (void)co_await io::write_all(socket, parts);
      co_return;
    }
    if (!*parsed) {
      std::array<std::byte, 2048> part;
      auto count = socket.try_read(part);
      if (!count && count.error() == Errc::would_block) {
        if (!co_await socket.readable()) co_return;
        continue;
      }
      if (!count || *count == 0) co_return;
      received += as_text(ByteView(part).first(*count));
      continue;
    }
    const bool keep_alive = (*parsed)->request.keep_alive && !stopping_;
    received.erase(0, (*parsed)->size);
    timer.restart();
    if (!co_await answer(socket, std::move((*parsed)->request)) || !keep_alive) co_return;
    timer.restart();
  }
}

io::Task<Result<>> AdminServer::answer(io::Socket& socket, HttpRequest request) {
  const bool head = request.method == "HEAD";
  const bool keep_alive = request.keep_alive && !stopping_;
  const HttpResponse response = co_await respond(std::move(request));
  const std::string text = render_http(response, keep_alive, head);
  const std::array<ByteView, 1> parts = {as_bytes(text)};
  co_return co_await io::write_all(socket, parts);
}

io::Task<HttpResponse> AdminServer::respond(HttpRequest request) {
  if (request.method != "GET" && request.method != "HEAD") {
    co_return HttpResponse{.status = 405, .body = "only GET and HEAD are served here\n"};
  }
  const auto page = pages_.find(request.path);
  if (page != pages_.end()) co_return co_await page->second(request);
  HttpResponse missing{.status = 404, .body = "no such page; there are:\n"};
  for (const auto& [path, known] : pages_) missing.body += path + "\n";
  co_return missing;
}

io::Task<void> AdminServer::stop() {
  stopping_ = true;
  if (listener_ != nullptr) listener_->close();
  for (io::Socket* socket : sockets_) socket->close();
  co_await scope_.join();
}

}  // namespace sluice::broker
