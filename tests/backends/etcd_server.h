// A real etcd on loopback: a cluster of one, or one of several. A test writes keys and leases,
// stops it (SIGSTOP: silence), kills it (refusal), restarts it with kept, empty or restored state,
// compacts its history and changes users and roles. One owner, not thread-safe; start it on the
// test's own thread (process.h says why).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/backends/environment.h"
#include "tests/backends/process.h"

namespace rollcall::test {

class EtcdServer {
 public:
  struct Tls {            // PEM files
    std::string ca_file;  // whose client certificates are accepted; empty: none is asked for
    std::string cert_file;
    std::string key_file;
  };
  struct Options {
    // Another token is another cluster: etcd derives its cluster id from token and peer addresses.
    std::string cluster_token = "rollcall-test";
    bool auth = false;       // access control on, with the user root and root_password()
    std::optional<Tls> tls;  // of address(); the fixture itself goes by plain_url()
    std::vector<std::string> extra_args;
  };

  enum class Restart {
    kKeepState,
    kEmptyState,
    kSavedState,  // as it was at save_state(): a restored backup, whose revision is lower
  };

  using Revision = std::int64_t;
  using Lease = std::int64_t;

  static Outcome<std::unique_ptr<EtcdServer>> start(Options options);
  static Outcome<std::unique_ptr<EtcdServer>> start() { return start(Options{}); }
  // Several that are one cluster; all are ready.
  static Outcome<std::vector<std::unique_ptr<EtcdServer>>> start_cluster(std::size_t count,
                                                                         const Options& options);

  std::string address() const;    // "127.0.0.1:<port>", stable over restarts; TLS if so chosen
  std::string url() const;        // "http://…" or "https://…" of address()
  std::string plain_url() const;  // always "http://…"; the same as url() without TLS
  static std::string root_password() { return "root-password"; }

  // The process. pause/resume: connections stay open and nothing is answered.
  Process& process() { return *process_; }
  bool pause() { return process_->pause(); }
  bool resume() { return process_->resume(); }
  void kill() { process_->kill(); }  // connections are refused afterwards
  // `cluster_token`: with kEmptyState, comes back as another cluster. Not after set_password():
  // etcd 3.4.23 hangs when it finds such a change in its log.
  Outcome<void> restart(Restart state, std::optional<std::string> cluster_token = std::nullopt);
  // Copies the data as a crash would leave it; for kSavedState, any number of times.
  Outcome<void> save_state();
  // Waits until it has a leader and answers a linearizable read; start and restart have done so.
  Outcome<void> await_ready();
  Outcome<bool> is_leader();

  // Keys. The answers are the revisions that the writes made.
  Outcome<Revision> put(std::string_view key, std::string_view value, Lease lease = 0);
  // In transactions of at most 100 keys: fast, but not one step.
  Outcome<Revision> put_many(const std::vector<std::pair<std::string, std::string>>& entries);
  // In one transaction, of at most 100 keys.
  Outcome<Revision> change(const std::vector<std::pair<std::string, std::string>>& puts,
                           const std::vector<std::string>& removals);
  Outcome<Revision> remove(std::string_view key);
  Outcome<Revision> remove_prefix(std::string_view prefix);
  Outcome<std::optional<std::string>> get(std::string_view key);
  Outcome<Revision> revision();  // the newest
  Outcome<void> compact(Revision revision);

  // A lease; etcd itself raises a TTL below 2 s. Revoking deletes its keys, as expiry does.
  Outcome<Lease> grant_lease(std::chrono::seconds ttl);
  Outcome<void> keep_alive(Lease lease);
  Outcome<void> revoke_lease(Lease lease);

  // Access control. Roles may read, or read and write, all keys below a prefix.
  enum class Access { kRead, kReadWrite };
  Outcome<void> add_user(std::string_view name, std::string_view password);
  Outcome<void> remove_user(std::string_view name);
  Outcome<void> set_password(std::string_view name, std::string_view password);
  Outcome<void> add_role(std::string_view role, std::string_view prefix, Access access);
  Outcome<void> remove_role(std::string_view role);
  Outcome<void> grant_role(std::string_view user, std::string_view role);
  Outcome<void> revoke_role(std::string_view user, std::string_view role);

  // One request of etcd's JSON gateway ("/v3/kv/range"), as root where access control is on, within
  // 10 s; answers the JSON. Keys and values are in base64 there.
  Outcome<std::string> call(const std::string& path, const std::string& json);

 private:
  explicit EtcdServer(Options options) : options_(std::move(options)) {}
  Outcome<void> choose_ports();
  Outcome<void> spawn();
  Outcome<void> settle();  // ready, and access control as wanted
  std::vector<std::string> arguments() const;
  std::string peer_url() const;
  Outcome<void> enable_auth();
  Outcome<void> authenticate();
  Outcome<std::string> post(const std::string& path, const std::string& json, int* status);
  Outcome<void> expect_ok(const std::string& path, const std::string& json);
  Outcome<Revision> written(const std::string& path, const std::string& json);

  Options options_;
  TempDir dir_;
  std::filesystem::path binary_;
  std::string name_ = "m0";
  std::string initial_cluster_;  // "m0=http://127.0.0.1:1,m1=…"
  std::uint16_t client_port_ = 0;
  std::uint16_t plain_port_ = 0;
  std::uint16_t peer_port_ = 0;
  std::string token_;               // of root
  std::optional<Process> process_;  // after dir_: ends before its files go
};

}  // namespace rollcall::test
