#include "providers/catalog.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "providers/consul/consul_provider.h"
#include "providers/custom/custom_provider.h"
#include "providers/dns/dns_provider.h"
#include "providers/etcd/etcd_provider.h"
#include "providers/file/file_provider.h"
#include "providers/http/http_provider.h"
#include "providers/in_memory/in_memory_provider.h"
#include "providers/kubernetes/kubernetes_provider.h"
#include "providers/local/local_provider.h"

namespace rollcall {
namespace {

std::vector<std::unique_ptr<ProviderFactory>> built_in() {
  std::vector<std::unique_ptr<ProviderFactory>> kinds;
  kinds.push_back(make_in_memory_factory());
  kinds.push_back(make_file_factory());
  kinds.push_back(make_consul_factory());
  kinds.push_back(make_etcd_factory());
  kinds.push_back(make_http_factory());
  kinds.push_back(make_dns_factory());
  kinds.push_back(make_local_factory());
  kinds.push_back(make_custom_factory());
  kinds.push_back(make_kubernetes_factory());
  return kinds;
}

class BuiltinCatalog : public ProviderCatalog {
 public:
  BuiltinCatalog() : kinds_(built_in()) {
    std::sort(kinds_.begin(), kinds_.end(),
              [](const auto& a, const auto& b) { return a->info().kind < b->info().kind; });
  }

  const ProviderFactory* find(std::string_view kind) const override {
    for (const auto& factory : kinds_) {
      if (factory->info().kind == kind) return factory.get();
    }
    return nullptr;
  }

  std::vector<const ProviderFactory*> all() const override {
    std::vector<const ProviderFactory*> all;
    for (const auto& factory : kinds_) all.push_back(factory.get());
    return all;
  }

 private:
  std::vector<std::unique_ptr<ProviderFactory>> kinds_;  // sorted by kind
};

}  // namespace

std::unique_ptr<const ProviderCatalog> builtin_catalog() {
  return std::make_unique<BuiltinCatalog>();
}

}  // namespace rollcall
