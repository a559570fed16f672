#include "broker/replication/peer_leader_link.h"

#include <string>
#include <utility>

namespace sluice::broker {
namespace {

/// Beyond the wait that the fetch asks for.
constexpr Duration kAnswerWithin = 10s;

}  // namespace

class PeerLeaderLinks::Link final : public LeaderLink {
 public:
  Link(PeerLeaderLinks& links, NodeId leader, io::Loop& loop)
      : links_(links), leader_(leader), loop_(loop) {}
  ~Link() override { retire(); }

  io::Task<Result<ReplicaFetchAnswer>> fetch(native::FetchRequest request) override {
    if (cancelled_) co_return fail(Errc::cancelled);
    if (connection_ == nullptr || connection_->closed()) {
      retire();
      CO_RETURN_IF_ERROR(co_await connect());
    }
    const TimePoint deadline =
        loop_.now() + std::chrono::milliseconds(request.max_wait_ms()) + kAnswerWithin;
    native::RequestHeader header;
    *header.mutable_fetch() = std::move(request);
    const std::shared_ptr<PeerConnection> held = connection_;
    auto answer = co_await held->call(std::move(header), {}, deadline);
    if (!answer) {
      // The session may be anywhere now: the next one begins with the next connection.
      retire();
      co_return fail(std::move(answer).error());
    }
    ReplicaFetchAnswer fetched;
    fetched.header = std::move(*answer->header.mutable_fetch());
    fetched.bytes = std::move(answer->bytes);
    fetched.payload_size = answer->payload_size;
    fetched.memory = std::move(answer->memory);
    co_return fetched;
  }

  void cancel() override {
    cancelled_ = true;
    if (connection_ != nullptr) connection_->cancel();
  }

 private:
  io::Task<Result<>> connect() {
    const auto address = links_.membership_.address_of(leader_);
    if (!address) {
      co_return fail(Errc::connection_failed, "broker " + std::to_string(leader_.value()) +
                                                  " has no known address; it has not registered");
    }
    const ClusterMember self = links_.membership_.self();
    auto opened = co_await PeerConnection::open(
        links_.runtime_, *address,
        {.self = self.node_id, .cluster_id = self.cluster_id, .expected = leader_}, links_.memory_,
        {});
    if (!opened) co_return fail(std::move(opened).error());
    connection_ = std::move(*opened);
    if (!cancelled_) co_return Result<>{};
    retire();
    co_return fail(Errc::cancelled);
  }

  void retire() {
    if (connection_ == nullptr) return;
    links_.closing_.start(shut_down(loop_, std::exchange(connection_, nullptr)));
  }
  static io::Task<void> shut_down(io::Loop& loop, std::shared_ptr<PeerConnection> connection) {
    co_await loop.enter();
    co_await connection->shut_down();
  }

  PeerLeaderLinks& links_;
  const NodeId leader_;
  io::Loop& loop_;
  std::shared_ptr<PeerConnection> connection_;
  bool cancelled_ = false;
};

std::unique_ptr<LeaderLink> PeerLeaderLinks::link_to(NodeId leader, FetchLane /*lane*/,
                                                     io::Loop& loop) {
  return std::make_unique<Link>(*this, leader, loop);
}

}  // namespace sluice::broker
