// The catalogue, and that every kind in it is held to the suite.
#include "providers/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>

namespace rollcall::test {
namespace {

TEST(Catalog, ListsTheBuiltInKindsInOrder) {
  const auto catalog = builtin_catalog();
  std::vector<std::string> kinds;
  for (const ProviderFactory* factory : catalog->all()) {
    kinds.emplace_back(factory->info().kind);
    EXPECT_EQ(catalog->find(factory->info().kind), factory);
  }
  EXPECT_THAT(kinds, ::testing::ElementsAre("consul", "custom", "dns", "etcd", "file", "http",
                                            "in-memory", "kubernetes", "local"));
  EXPECT_EQ(catalog->find("zookeeper"), nullptr);
  EXPECT_EQ(catalog->find(""), nullptr);
}

TEST(Catalog, EveryKindHasAHarnessOfTheConformanceSuite) {
  std::vector<std::string> harnesses;
  std::istringstream list(ROLLCALL_HARNESSES);  // from the names of the files, by CMake
  for (std::string kind; list >> kind;) harnesses.push_back(kind);
  const auto catalog = builtin_catalog();
  for (const ProviderFactory* factory : catalog->all()) {
    std::string name(factory->info().kind);
    std::replace(name.begin(), name.end(), '-', '_');
    EXPECT_THAT(harnesses, ::testing::Contains(name))
        << "write tests/conformance/" << name << "_harness.cpp";
  }
}

}  // namespace
}  // namespace rollcall::test
