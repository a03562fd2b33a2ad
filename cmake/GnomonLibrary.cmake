# gnomon_library(NAME SOURCES a.cpp … [LINK lib …]): one folder, one static library, included by its path from the root.
function(gnomon_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_LINK} PRIVATE gnomon_warnings)
endfunction()

# gnomon_program(NAME SOURCES main.cpp … [LINK lib …]): a program in build/bin.
function(gnomon_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} gnomon_warnings)
endfunction()
