#include "tests/churn/expect_churn.h"

namespace rollcall::test {
namespace {

TEST(KubernetesChurn, R2_1_NoChangeOf5000EndpointsIsLost) {
  expect_that_nothing_is_lost(churn_in_kubernetes(), 20);
}

}  // namespace
}  // namespace rollcall::test
