#pragma once
// What a coordinator knows, as tables. Lines end in '\n'.

#include <string>

#include "gnomon/v1/query.pb.h"

namespace gnomon::cli {

std::string services_table(const v1::ListServicesResponse& response);
std::string nodes_table(const v1::ListNodesResponse& response);
std::string sessions_table(const v1::ListSessionsResponse& response);
std::string profiles_table(const v1::ListProfilesResponse& response);

// "delay 50ms +-10ms, errors 0.01", as the document has it, or "none".
std::string noise_summary(const v1::NoiseParameters& noise);

}  // namespace gnomon::cli
