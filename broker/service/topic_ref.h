#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/uuid.h"

namespace sluice::broker {

/// A topic by id or by name; the id wins.
struct TopicRef {
  std::optional<Uuid> id;
  std::string name;
};

inline Error unknown_topic(const TopicRef& ref) {
  if (ref.id) {
    return {Errc::unknown_topic_id, "there is no topic with the id " + ref.id->text() +
                                        "; it may have been deleted, look it up by its name"};
  }
  return {
      Errc::unknown_topic_or_partition,
      "there is no topic " + ref.name + "; create it, or look for its name in the list of topics"};
}

}  // namespace sluice::broker
