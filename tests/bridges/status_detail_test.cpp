// Errors on the wire: every code has its gRPC code, and the detail stays small enough to arrive.
#include "bridges/stream/status_detail.h"

#include <gtest/gtest.h>

#include <string>

#include "core/limits.h"

namespace rollcall {
namespace {

v1::ErrorDetail unwrap(const grpc::Status& status) {
  v1::Status wire;
  EXPECT_TRUE(wire.ParseFromString(status.error_details()));
  v1::ErrorDetail detail;
  EXPECT_TRUE(detail.ParseFromString(wire.details(0).value()));
  return detail;
}

TEST(StatusDetail, R5_5_EveryCodeHasAGrpcCodeAndKeepsItsName) {
  for (std::size_t i = 1; i <= kErrorCodeCount; ++i) {
    const auto code = static_cast<ErrorCode>(i);
    const auto status = to_status({code, "what happened", {}, 0});
    EXPECT_NE(status.error_code(), grpc::StatusCode::UNKNOWN) << to_string(code);
    EXPECT_NE(status.error_code(), grpc::StatusCode::OK);
    EXPECT_EQ(unwrap(status).code(), to_string(code));
    EXPECT_EQ(unwrap(status).message(), "what happened");
    EXPECT_EQ(status.error_message(), "what happened");
  }
}

TEST(StatusDetail, ManyLongProblemsStayBelowFourKibibytesAndAreCounted) {
  ProvisioningError error{ErrorCode::InvalidConfig, std::string(5000, 'm'), {}, 500};
  for (int i = 0; i < 500; ++i) {
    error.problems.push_back({"providers[" + std::to_string(i) + "]." + std::string(400, 'f'),
                              std::string(500, '\x01'), std::string(900, 'e')});
  }
  const auto status = to_status(error);
  EXPECT_LT(status.error_details().size(), limits::kMaxErrorDetailBytes);
  // What travels: the detail in base64, and the message percent-encoded.
  EXPECT_LT(status.error_details().size() * 4 / 3 + status.error_message().size(), 7000u);
  const auto detail = unwrap(status);
  EXPECT_GE(detail.problems_size(), 2);
  EXPECT_LT(detail.problems_size(), 32);
  EXPECT_EQ(detail.total_problems(), 500u);
}

TEST(StatusDetail, TextThatIsNotUtf8IsMadePrintable) {
  const auto status =
      to_status({ErrorCode::MalformedResponse, "bad \xff byte\n", {{"f\xfe", "v", "e"}}, 0});
  const auto detail = unwrap(status);
  EXPECT_EQ(detail.message().find('\n'), std::string::npos);
  EXPECT_EQ(detail.problems_size(), 1);
  EXPECT_EQ(detail.total_problems(), 1u);
}

}  // namespace
}  // namespace rollcall
