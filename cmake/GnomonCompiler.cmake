# How every C++ file here is compiled.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

set(GNOMON_SANITIZE "" CACHE STRING "Sanitizers to compile with, for example address,undefined or thread")

find_program(GNOMON_CCACHE ccache)
if(GNOMON_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${GNOMON_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${GNOMON_CCACHE})
endif()

# Only our own targets link this; generated code and dependencies are not held to our warnings.
add_library(gnomon_warnings INTERFACE)
target_compile_options(gnomon_warnings INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -Wformat=2 -Wimplicit-fallthrough -Wno-missing-field-initializers)

if(GNOMON_SANITIZE)
  add_compile_options(-fsanitize=${GNOMON_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${GNOMON_SANITIZE})
endif()
