#pragma once

namespace gnomon::cli {

// The report's style sheet, light and dark.
extern const char kReportStyle[];

}  // namespace gnomon::cli
