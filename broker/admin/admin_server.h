#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/log.h"
#include "base/time.h"
#include "broker/admin/http.h"
#include "io/network.h"
#include "io/runtime.h"
#include "io/sync.h"

namespace sluice::broker {

struct AdminOptions {
  io::Endpoint listen{"127.0.0.1", 9644};
  size_t max_connections = 64;
  /// A client that takes longer for a request, an answer or until its next request is dropped.
  Duration timeout = std::chrono::seconds(10);
};

/// The admin port: pages by path over HTTP, for probes, scrapers and people. Runs on the loop that
/// start() is called on; stop() there too.
class AdminServer {
 public:
  using Page = std::function<io::Task<HttpResponse>(const HttpRequest&)>;

  AdminServer(io::Runtime& runtime, AdminOptions options, Logger log)
      : runtime_(runtime), options_(std::move(options)), log_(log) {}

  /// Before start().
  void add(std::string path, Page page) { pages_.emplace(std::move(path), std::move(page)); }

  /// Listens and serves from here on. address_in_use and others, naming the address.
  io::Task<Result<>> start();
  /// With the port that the system chose. After start().
  const io::Endpoint& local() const { return listener_->local(); }
  /// Closes all; done when no page is being made.
  io::Task<void> stop();

 private:
  struct DropTimer;
  io::Task<void> accept_all();
  io::Task<void> serve(std::unique_ptr<io::Socket> socket);
  io::Task<void> converse(io::Socket& socket);
  io::Task<Result<>> answer(io::Socket& socket, HttpRequest request);
  io::Task<HttpResponse> respond(HttpRequest request);

  io::Runtime& runtime_;
  const AdminOptions options_;
  Logger log_;
  std::map<std::string, Page, std::less<>> pages_;
  std::unique_ptr<io::Listener> listener_;
  std::set<io::Socket*> sockets_;
  bool stopping_ = false;
  io::Scope scope_;
};

}  // namespace sluice::broker
