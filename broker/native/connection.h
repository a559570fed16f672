#pragma once

#include <memory>
#include <optional>
#include <string>

#include "broker/native/call.h"
#include "broker/native/front_end.h"
#include "broker/replication/fetch_session.h"
#include "broker/security/principal.h"
#include "broker/server/protocol.h"
#include "broker/server/worker.h"

namespace sluice::broker {

/// The native protocol's side of one connection: frames, the hello, and what handlers keep between
/// requests.
class NativeConnection final : public Protocol {
 public:
  NativeConnection(const NativeFrontEnd& front_end, ProtocolPorts ports);

  Result<FrameHead> measure(ByteView begin) override;
  io::Task<void> handle(Exchange& exchange) override;
  void refuse(Exchange& exchange, const Error& why) override;
  void end() override;

  const NativeFrontEnd& front_end() const { return front_end_; }
  const Services& services() const { return front_end_.services(); }
  const Principal& principal() const { return principal_; }
  Worker& worker() { return worker_; }
  const io::Endpoint& peer() const { return peer_; }

  /// The request failed as a whole; the connection goes on.
  void answer_error(Exchange& exchange, uint64_t correlation_id, const Error& why);
  /// As answer_error, and the connection ends.
  void reject(Exchange& exchange, uint64_t correlation_id, const Error& why);

  /// The hello was agreed on; only then other requests and frames of full size are taken.
  void agree() { agreed_ = true; }
  /// A broker said hello. Those of one that names our cluster, or any while we have none, keep the
  /// cluster alive and are never delayed.
  struct Broker {
    NodeId id{-1};
    std::string cluster_id;
    bool of_ours = false;
    std::optional<Lineage> lineage = {};
  };
  void agree_with(Broker broker) {
    broker_ = std::move(broker);
    agree();
  }
  const std::optional<Broker>& said_broker() const { return broker_; }
  bool agreed() const { return agreed_; }
  /// The connection's one fetch session, made on first use.
  FetchSession& fetch_session();

 private:
  bool is_peer() const { return broker_ && broker_->of_ours; }
  io::Task<void> answer_any(Exchange& exchange, ByteView header, MutableBytes payload);
  io::Task<void> dispatch(NativeCall& call);
  /// What a client bears while memory is short.
  void delay(NativeCall& call) const;
  Result<> check(const native::RequestHeader& request, ByteView payload) const;

  const NativeFrontEnd& front_end_;
  Worker& worker_;
  const io::Endpoint& peer_;
  Principal principal_;
  std::unique_ptr<FetchSession> fetch_session_;
  std::optional<Broker> broker_;
  bool agreed_ = false;
  bool ended_ = false;
};

}  // namespace sluice::broker
