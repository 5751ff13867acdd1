// A real kube-apiserver on loopback with an etcd of its own: TLS, service accounts whose tokens it
// signs, RBAC on. There is no controller: what is in a namespace is what a test has put there, and
// slices stay as they are written. A test stops it (SIGSTOP: silence), kills it (refusal), restarts
// it, with its etcd's state kept, emptied or restored, and takes permissions and tokens away.
// One owner, not thread-safe; start it on the test's own thread (process.h says why).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/backends/environment.h"
#include "tests/backends/etcd_server.h"
#include "tests/backends/process.h"

namespace rollcall::test {

struct KubeAnswer {
  int status = 0;
  std::string body;
};

class KubeApiserver {
 public:
  static Outcome<std::unique_ptr<KubeApiserver>> start();

  std::string url() const;      // "https://127.0.0.1:<port>", stable over restarts
  std::string ca_file() const;  // PEM of the authority that its certificate is from
  EtcdServer& etcd() { return *etcd_; }

  // The process. pause/resume: connections stay open and nothing is answered.
  Process& process() { return *process_; }
  bool pause() { return process_->pause(); }
  bool resume() { return process_->resume(); }
  void kill() { process_->kill(); }  // connections are refused afterwards
  Outcome<void> restart();           // with etcd as it is
  // Etcd is restarted too, while no API server runs.
  Outcome<void> restart(EtcdServer::Restart state);
  // Another authority and another certificate, at the same address.
  Outcome<void> restart_with_new_authority();

  struct Endpoint {
    std::string pod{};  // of the targetRef; empty: none
    std::string address = "10.0.0.1";
    std::optional<bool> ready{};
    std::optional<bool> serving{};
    std::optional<bool> terminating{};
    std::string zone{};
    std::string node{};
    std::string hostname{};
  };
  struct Port {
    std::string name;
    std::optional<std::uint16_t> number;
  };
  struct Slice {
    std::string name{};
    std::string service{};
    std::vector<Endpoint> endpoints{};
    std::vector<Port> ports{{"", 7000}};
    std::string address_type = "IPv4";
    std::map<std::string, std::string> labels{};  // beside kubernetes.io/service-name
  };

  Outcome<void> create_namespace(const std::string& name_space);
  Outcome<void> put_slice(const std::string& name_space, const Slice& slice);  // new, or replaced
  Outcome<void> delete_slice(const std::string& name_space, const std::string& name);

  // A service account, what it may do with the slices of its namespace ("list", "watch", …; none:
  // the role is taken away), and whether it may read the namespace kube-system.
  Outcome<void> create_account(const std::string& name_space, const std::string& account);
  Outcome<void> delete_account(const std::string& name_space, const std::string& account);
  Outcome<void> allow(const std::string& name_space, const std::string& account,
                      const std::vector<std::string>& verbs);
  Outcome<void> allow_identity(const std::string& name_space, const std::string& account);
  // A new token of the account (ten minutes, the shortest that there is). Deleting the account ends
  // all of its tokens.
  Outcome<std::string> token(const std::string& name_space, const std::string& account);

  // Creates what a manifest describes, document by document, in order.
  Outcome<void> create(const std::string& manifest);

  // One request within 10 s, by default as an administrator.
  Outcome<KubeAnswer> request(const std::string& method, const std::string& path,
                              const std::string& body = {},
                              std::optional<std::string> token = std::nullopt,
                              const std::string& content_type = "application/json");

 private:
  KubeApiserver() = default;
  Outcome<void> spawn();
  Outcome<void> await_ready();
  void issue_certificate();
  // The request's status is one of these.
  Outcome<KubeAnswer> expect(const std::string& method, const std::string& path,
                             const std::string& body, std::vector<int> statuses);

  TempDir dir_;
  std::filesystem::path binary_;
  std::uint16_t port_ = 0;
  std::unique_ptr<EtcdServer> etcd_;
  std::optional<Process> process_;  // after etcd_ and dir_: ends before them
};

}  // namespace rollcall::test
