#include "tests/churn/expect_churn.h"

namespace rollcall::test {
namespace {

TEST(EtcdChurn, R2_1_NoChangeOf5000KeysIsLost) { expect_that_nothing_is_lost(churn_in_etcd(), 10); }

}  // namespace
}  // namespace rollcall::test
