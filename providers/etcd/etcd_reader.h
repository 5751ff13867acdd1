// EtcdReader: reads all keys below a prefix at one revision, page by page, and proves later, with
// one small question, that a view of them is still the whole truth.
//
// Threads: belongs to one.
#pragma once

#include <cstdint>
#include <string>

#include "core/provider.h"
#include "providers/etcd/etcd_client.h"
#include "providers/etcd/etcd_view.h"

namespace rollcall {

// Whose history a revision is of.
struct EtcdPosition {
  std::uint64_t cluster_id = 0;
  std::int64_t revision = 0;
};

struct EtcdSnapshot {
  EtcdView view;
  EtcdPosition at;
  MonoTime read_began{};
};

class EtcdReader {
 public:
  EtcdReader(EtcdClient& client, std::string prefix, EtcdIdFrom id_from);

  const std::string& prefix() const { return prefix_; }
  const std::string& prefix_end() const { return end_; }

  // Errors: EtcdClient's; MALFORMED_RESPONSE for an answer that contradicts itself; LIMIT_EXCEEDED
  // when the prefix is above limits::kMaxMembers keys or limits::kMaxBackendAnswerBytes.
  Result<EtcdSnapshot> read(MonoTime deadline);
  // Where a quorum is now. Costs next to nothing.
  Result<EtcdPosition> ask_position(MonoTime deadline);
  // Whether `keys` keys, none of them written after `revision`, are all that is there; and where a
  // quorum was when it said so. If a view holds that many keys and knows all that was written up to
  // `revision`, it then is what etcd holds at `at`: a key that it does not have, or has otherwise,
  // would have been written later; and one that it has too many would be missing in the count.
  struct Proof {
    bool complete = false;
    EtcdPosition at;
  };
  Result<Proof> prove(std::size_t keys, std::int64_t revision, MonoTime deadline);

 private:
  struct Pages;
  Result<bool> read_pages(Pages& pages, MonoTime deadline);
  Result<void> take_page(Pages& pages, const etcdserverpb::RangeResponse& page);
  tl::unexpected<ProvisioningError> malformed(const std::string& why) const;

  EtcdClient& client_;
  const std::string prefix_;
  const std::string end_;
  const EtcdIdFrom id_from_;
};

}  // namespace rollcall
