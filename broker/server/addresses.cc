#include "broker/server/addresses.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace sluice::broker {

std::shared_ptr<AddressAccount> Addresses::connect(const std::string& host) {
  auto accounts = accounts_.lock();
  auto& account = (*accounts)[host];
  if (!account) {
    account = std::make_shared<AddressAccount>();
    account->host = host;
  }
  if (account->connections >= most_) return nullptr;
  ++account->connections;
  return account;
}

void Addresses::disconnect(AddressAccount& account) {
  auto accounts = accounts_.lock();
  if (--account.connections > 0) return;
  // Frames that are still admitted keep the account itself alive; a copy, because the name dies
  // with it.
  const std::string host = account.host;
  accounts->erase(host);
}

std::vector<AddressUse> Addresses::largest(size_t most) const {
  std::vector<AddressUse> all;
  {
    const auto accounts = accounts_.lock();
    all.reserve(accounts->size());
    for (const auto& [host, account] : *accounts) {
      size_t bytes = 0;
      for (const auto& of_class : account->bytes) bytes += of_class.load(std::memory_order_relaxed);
      all.push_back({host, account->connections, bytes});
    }
  }
  const size_t kept = std::min(most, all.size());
  std::ranges::partial_sort(all, all.begin() + static_cast<std::ptrdiff_t>(kept),
                            [](const AddressUse& a, const AddressUse& b) {
                              return std::tie(b.bytes, b.connections, a.host) <
                                     std::tie(a.bytes, a.connections, b.host);
                            });
  all.resize(kept);
  return all;
}

}  // namespace sluice::broker
