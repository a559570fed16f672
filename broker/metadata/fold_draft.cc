#include "broker/metadata/fold_draft.h"

#include <utility>

namespace sluice::broker {

std::shared_ptr<const TopicImage> FoldDraft::topic(const Uuid& id) const {
  const auto changed = changed_.find(id);
  return changed == changed_.end() ? image_.topic(id) : changed->second;
}

TopicImage& FoldDraft::edit(const Uuid& id) {
  auto& changed = changed_[id];
  if (changed == nullptr) changed = std::make_shared<TopicImage>(*image_.topic(id));
  return *changed;
}

void FoldDraft::add(TopicImage topic) {
  const Uuid id = topic.id;
  image_.topics.set(id, std::make_shared<const TopicImage>(std::move(topic)));
}

void FoldDraft::remove(const Uuid& id) {
  changed_.erase(id);
  image_.topics.erase(id);
}

MetadataImage FoldDraft::take() {
  for (auto& [id, topic] : changed_) image_.topics.set(id, std::move(topic));
  changed_.clear();
  image_.version = version_;
  return std::move(image_);
}

Result<Uuid> id_from(const std::string& bytes) {
  if (bytes.size() != Uuid::kSize) return fail(Errc::invalid_argument, "an id has 16 bytes");
  return Uuid::from_bytes(as_bytes(bytes));
}

std::string bytes_of(const Uuid& id) { return std::string(as_text(id.bytes())); }

IdList appended(const IdList& list, const Uuid& id, size_t limit) {
  std::vector<Uuid> ids;
  if (list != nullptr) {
    const size_t skip = list->size() >= limit ? list->size() - limit + 1 : 0;
    ids.assign(list->begin() + static_cast<ptrdiff_t>(skip), list->end());
  }
  ids.push_back(id);
  return std::make_shared<const std::vector<Uuid>>(std::move(ids));
}

}  // namespace sluice::broker
