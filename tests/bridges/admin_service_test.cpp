// The operators' service when there is nobody behind it any more.
#include "bridges/admin/admin_service.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "provisioning/telemetry/line_logger.h"
#include "tests/bridges/bridge_server.h"

namespace rollcall::testing_bridges {
namespace {

TEST(AdminService, R3_5_ACallAfterTheEndIsToldThatTheSidecarShutsDown) {
  test::ManualClock clock;
  LineLogger logger({}, clock, [](std::string_view) { return true; });
  ProvisioningMetrics metrics("test");
  OperatorLog operators;
  ServiceTelemetry telemetry(clock, logger, metrics, operators);
  AdminContext context;
  context.clock = &clock;
  context.operators = &operators;
  context.telemetry = &telemetry;
  AdminService service(context);
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  service.close();

  const auto stub = v1::ProvisioningAdmin::NewStub(server->InProcessChannel({}));
  grpc::ClientContext call;
  v1::GetStatusResponse response;
  const auto detail = detail_of(stub->GetStatus(&call, {}, &response));
  EXPECT_EQ(detail.code(), "SHUTTING_DOWN") << detail.message();
  server->Shutdown();
}

}  // namespace
}  // namespace rollcall::testing_bridges
