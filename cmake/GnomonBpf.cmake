# gnomon_bpf_skeleton(NAME SOURCES a.bpf.c …): compiles each program file, links them into one object and generates
# NAME.skel.h from it. Target NAME_skel carries the include directory. Header dependencies come from clang (-MD).
find_program(GNOMON_BPF_CLANG NAMES clang-14 clang REQUIRED)
find_program(GNOMON_BPF_STRIP NAMES llvm-strip-14 llvm-strip REQUIRED)
find_program(GNOMON_BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)

function(gnomon_bpf_skeleton name)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  set(objects)
  foreach(source ${ARG_SOURCES})
    get_filename_component(stem ${source} NAME_WE)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${stem}.bpf.o)
    add_custom_command(
      OUTPUT ${object}
      COMMAND ${GNOMON_BPF_CLANG} -target bpf -D__TARGET_ARCH_x86 -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror
              -Wno-unused-parameter -MD -MF ${object}.d -isystem ${CMAKE_SOURCE_DIR}/bpf/kernel
              -isystem /usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -I${CMAKE_SOURCE_DIR}/bpf
              -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
      COMMAND ${GNOMON_BPF_STRIP} -g ${object}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source}
      DEPFILE ${object}.d
      COMMENT "BPF ${source}" VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  set(linked ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.linked.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/include/bpf/${name}.skel.h)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/include/bpf
    COMMAND ${GNOMON_BPFTOOL} gen object ${linked} ${objects}
    COMMAND ${GNOMON_BPFTOOL} gen skeleton ${linked} name ${name}_bpf > ${skeleton}
    DEPENDS ${objects} COMMENT "BPF skeleton ${name}" VERBATIM)
  add_custom_target(${name}_skel_file DEPENDS ${skeleton})
  add_library(${name}_skel INTERFACE)
  add_dependencies(${name}_skel ${name}_skel_file)
  target_include_directories(${name}_skel SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR}/include)
  target_link_libraries(${name}_skel INTERFACE PkgConfig::LIBBPF)
endfunction()
