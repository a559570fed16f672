#pragma once

#include <memory>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "base/guarded.h"
#include "broker/server/admission.h"

namespace sluice::broker {

/// What one address holds now.
struct AddressUse {
  std::string host;
  size_t connections = 0;
  /// Of frames that are let in, of both classes.
  size_t bytes = 0;
};

/// The remote addresses that are connected now. Thread-safe.
class Addresses {
 public:
  explicit Addresses(size_t most_connections) : most_(most_connections) {}

  /// Counts a connection; null when the address has as many as it may.
  std::shared_ptr<AddressAccount> connect(const std::string& host);
  void disconnect(AddressAccount& account);
  /// Those that hold most, at most `most`: by bytes, then by connections.
  std::vector<AddressUse> largest(size_t most) const;

 private:
  const size_t most_;
  Guarded<absl::flat_hash_map<std::string, std::shared_ptr<AddressAccount>>> accounts_;
};

}  // namespace sluice::broker
