// A registry over a file store in memory, with pretended backends and a listener that takes notes.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "provisioning/registry/file_provider_store.h"
#include "provisioning/registry/provider_registry.h"
#include "provisioning/registry/state_files.h"
#include "tests/registry/test_catalog.h"
#include "tests/support/mem_file_system.h"

namespace rollcall::test {

struct Told {
  std::vector<AcceptedProvider> providers;
  Revision revision;
  std::vector<ProviderId> released;
};

class RegistryFixture : public ::testing::Test {
 protected:
  static constexpr const char* kDirectory = "/state";

  RegistryFixture() {
    EXPECT_TRUE(files_.make_directory(kDirectory));
    start();
  }

  // The process ends and starts again on what it left.
  void restart() {
    registry_.reset();
    start();
  }

  std::vector<std::string> ids() {
    std::vector<std::string> out;
    for (const AcceptedProvider& p : registry_->view()->providers) {
      out.push_back(p.descriptor.id.str());
    }
    return out;
  }

  ProviderRegistry& registry() { return *registry_; }
  const ProviderValidator& validator() const { return validator_; }
  MemFileSystem& files() { return files_; }
  Backends& backends() { return catalog_.backends(); }
  std::vector<Told>& told() { return told_; }

 private:
  void start() {
    store_ = std::make_unique<FileProviderStore>(files_, kDirectory);
    state_ = std::make_unique<StateFiles>(files_, kDirectory);
    auto opened = ProviderRegistry::open(*store_, state_.get(), validator_);
    ASSERT_TRUE(opened) << opened.error().message;
    registry_ = std::move(*opened);
    registry_->set_listener([this](const std::vector<AcceptedProvider>& providers,
                                   Revision revision, const std::vector<ProviderId>& released) {
      told_.push_back({providers, revision, released});
    });
  }

  MemFileSystem files_;
  TestCatalog catalog_;
  ProviderValidator validator_{catalog_, catalog_.context()};
  std::unique_ptr<FileProviderStore> store_;
  std::unique_ptr<StateFiles> state_;
  std::unique_ptr<ProviderRegistry> registry_;
  std::vector<Told> told_;
};

}  // namespace rollcall::test
