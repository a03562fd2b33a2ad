#pragma once

namespace gnomon::capacity {

struct Estimate {
  double value = 0, low = 0, high = 0;  // with its 95% interval
};

}  // namespace gnomon::capacity
