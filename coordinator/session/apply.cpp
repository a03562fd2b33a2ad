// Documents in, planned sessions out.

#include <chrono>

#include "common/status.h"
#include "common/units.h"
#include "coordinator/session/block_plan.h"
#include "coordinator/session/sessions.h"
#include "document/profile.h"
#include "document/service.h"
#include "fmt/format.h"

namespace gnomon::session {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kUsualDuration{60'000};

milliseconds duration_of(const v1::ApplyRequest& request) {
  return request.session_duration_ms() == 0 ? kUsualDuration : milliseconds(request.session_duration_ms());
}

const v1::ServiceDescriptor* find_service(const v1::ApplyRequest& request, const std::string& name) {
  for (const v1::ServiceDescriptor& service : request.services())
    if (service.name() == name) return &service;
  return nullptr;
}

}  // namespace

absl::Status Sessions::check(const v1::ApplyRequest& request) const {
  if (request.services().empty() && request.profiles().empty())
    return absl::InvalidArgumentError("nothing to apply: give at least one service descriptor or profile");
  RETURN_IF_ERROR(annotate(plan_blocks(duration_of(request), 0).status(), "session_duration_ms"));
  if (!request.sampled_fraction().empty())
    RETURN_IF_ERROR(annotate(parse_fraction(request.sampled_fraction()).status(), "sampled_fraction"));
  for (int i = 0; i < request.services_size(); ++i)
    RETURN_IF_ERROR(annotate(document::validate(request.services(i)).status(), fmt::format("services[{}]", i)));
  for (int i = 0; i < request.profiles_size(); ++i) {
    const std::string& service = request.profiles(i).service_descriptor();
    RETURN_IF_ERROR(annotate(document::validate(request.profiles(i)).status(), fmt::format("profiles[{}]", i)));
    if (!find_service(request, service) && !services_.count(service))
      return absl::NotFoundError(fmt::format(
          "profiles[{}].service_descriptor: \"{}\": no such service; apply its descriptor with it, or first", i,
          service));
    const v1::ServiceDescriptor* given = find_service(request, service);
    ASSIGN_OR_RETURN(const document::Service known, document::validate(given ? *given : services_.at(service)));
    ASSIGN_OR_RETURN(const document::Profile profile, document::validate(request.profiles(i)));
    RETURN_IF_ERROR(annotate(document::check_dependencies(profile, known), fmt::format("profiles[{}]", i)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Sessions::new_id() {
  constexpr char kLetters[] = "0123456789abcdefghjkmnpqrstvwxyz";  // Crockford's 32: none looks like another
  while (true) {
    std::string id = "s-";
    for (int i = 0; i < 6; ++i) id += kLetters[random_() % 32];
    const absl::StatusOr<v1::Session> taken = store_.session(id);
    if (absl::IsNotFound(taken.status())) return id;
    if (!taken.ok()) return taken.status();
  }
}

absl::StatusOr<v1::Session> Sessions::plan_session(const v1::ApplyRequest& request,
                                                   const v1::ShadowInstanceProfile& profile) {
  v1::Session session;
  ASSIGN_OR_RETURN(const std::string id, new_id());
  session.set_id(id);
  session.set_service(profile.service_descriptor());
  session.set_profile(document::profile_id(profile));
  session.set_created_unix_ms(unix_ms());
  session.mutable_status()->set_id(id);
  session.mutable_status()->set_state(v1::SESSION_STATE_PENDING);
  session.mutable_status()->set_current_block(-1);

  v1::SessionSpec& spec = *session.mutable_spec();
  spec.set_id(id);
  *spec.mutable_service() = services_.at(profile.service_descriptor());
  if (!request.sampled_fraction().empty())
    spec.mutable_service()->mutable_shadow()->set_sampled_fraction(request.sampled_fraction());
  *spec.mutable_profile() = profile;
  spec.set_seed(random_());
  ASSIGN_OR_RETURN(const BlockPlan plan, plan_blocks(duration_of(request), spec.seed()));
  spec.set_warm_up_ms(plan.warm_up.count());
  for (const PlannedBlock& planned : plan.blocks) {
    v1::Block& block = *spec.add_blocks();
    block.set_index(spec.blocks_size() - 1);
    block.set_kind(planned.treatment ? v1::BLOCK_KIND_TREATMENT : v1::BLOCK_KIND_CONTROL);
    block.set_duration_ms(plan.block.count());
    block.set_settle_ms(plan.settle.count());
    block.set_pair(planned.pair);
  }
  return session;
}

absl::StatusOr<v1::ApplyResponse> Sessions::apply(const v1::ApplyRequest& request) {
  const std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(check(request));
  v1::ApplyResponse response;
  const auto services_before = services_;
  std::vector<v1::Session> started;
  const absl::Status stored = [&]() -> absl::Status {
    store::Store::Transaction transaction(store_);
    for (const v1::ServiceDescriptor& service : request.services()) {
      RETURN_IF_ERROR(store_.put_service(service));
      services_[service.name()] = service;
      response.add_services(service.name());
    }
    for (const v1::ShadowInstanceProfile& document : request.profiles()) {
      v1::Profile profile;
      profile.set_id(document::profile_id(document));
      *profile.mutable_document() = document;
      profile.set_applied_unix_ms(unix_ms());
      RETURN_IF_ERROR(store_.put_profile(profile));
      ASSIGN_OR_RETURN(v1::Session session, plan_session(request, document));
      RETURN_IF_ERROR(store_.put_session(session));
      response.add_profiles(profile.id());
      response.add_sessions(session.id());
      started.push_back(std::move(session));
    }
    return transaction.commit();
  }();
  if (!stored.ok()) {
    services_ = services_before;
    return stored;
  }
  for (v1::Session& session : started) {
    const std::string id = session.id();
    active_[id].session = std::move(session);
  }
  RETURN_IF_ERROR(place_waiting());
  if (request.services_size() > 0) RETURN_IF_ERROR(publish_all());
  return response;
}

}  // namespace gnomon::session
