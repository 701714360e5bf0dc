# SPDX-License-Identifier: Apache-2.0
# The libraries of NVIDIA that the CUDA backend stands on, as imported targets: CudaLibraries::cudart (static),
# ::cublas, ::cublasLt and ::cudnn. They are looked for beside the compiler (CUDAToolkit_ROOT, CUDA_HOME,
# /usr/local/cuda), in /usr, and in NVIDIA's Python wheels, where a library has no name without its version. Never
# libcuda, the driver: a program that is linked with it does not start where there is no GPU.

set(cuda_library_places "")
foreach(root IN ITEMS ${CUDAToolkit_ROOT} $ENV{CUDAToolkit_ROOT} $ENV{CUDA_HOME} $ENV{CUDA_PATH})
  list(APPEND cuda_library_places ${root})
endforeach()
if(CMAKE_CUDA_COMPILER)
  file(REAL_PATH ${CMAKE_CUDA_COMPILER} cuda_compiler_place)
  cmake_path(GET cuda_compiler_place PARENT_PATH cuda_compiler_place)
  cmake_path(GET cuda_compiler_place PARENT_PATH cuda_compiler_place)
  list(APPEND cuda_library_places ${cuda_compiler_place})
endif()
list(APPEND cuda_library_places /usr/local/cuda /usr)

# The wheels: folders nvidia/<package> in the site-packages of whichever Python comes first.
if(NOT DEFINED CudaLibraries_WHEELS)
  find_program(cuda_library_python NAMES python3 python)
  mark_as_advanced(cuda_library_python)
  set(wheels "")
  if(cuda_library_python)
    execute_process(COMMAND ${cuda_library_python} -c "import nvidia\nprint(';'.join(nvidia.__path__))"
                    OUTPUT_VARIABLE wheels OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  set(CudaLibraries_WHEELS "${wheels}" CACHE STRING "Folders named nvidia in which Python wheels put their libraries")
  mark_as_advanced(CudaLibraries_WHEELS)
endif()
foreach(wheel IN LISTS CudaLibraries_WHEELS)
  file(GLOB packages LIST_DIRECTORIES true ${wheel}/*)
  list(APPEND cuda_library_places ${packages})
endforeach()

set(cuda_lib_suffixes lib64 lib lib/${CMAKE_LIBRARY_ARCHITECTURE} targets/${CMAKE_SYSTEM_PROCESSOR}-linux/lib)
set(cuda_include_suffixes include targets/${CMAKE_SYSTEM_PROCESSOR}-linux/include)

# find_cuda_library(NAME HEADER LIBRARY...): the first place that has the header, and the first that has the library.
macro(find_cuda_library name header)
  find_path(CudaLibraries_${name}_INCLUDE_DIR ${header} PATHS ${cuda_library_places}
            PATH_SUFFIXES ${cuda_include_suffixes} NO_DEFAULT_PATH)
  find_path(CudaLibraries_${name}_INCLUDE_DIR ${header})
  find_library(CudaLibraries_${name}_LIBRARY NAMES ${ARGN} PATHS ${cuda_library_places}
               PATH_SUFFIXES ${cuda_lib_suffixes} NO_DEFAULT_PATH)
  find_library(CudaLibraries_${name}_LIBRARY NAMES ${ARGN})
  mark_as_advanced(CudaLibraries_${name}_INCLUDE_DIR CudaLibraries_${name}_LIBRARY)
  list(APPEND cuda_library_variables CudaLibraries_${name}_LIBRARY CudaLibraries_${name}_INCLUDE_DIR)
endmacro()
set(cuda_library_variables "")
find_cuda_library(cudart cuda_runtime_api.h libcudart_static.a)
find_cuda_library(cublas cublas_v2.h cublas libcublas.so.13 libcublas.so.12)
find_cuda_library(cublasLt cublasLt.h cublasLt libcublasLt.so.13 libcublasLt.so.12)
find_cuda_library(cudnn cudnn.h cudnn libcudnn.so.9)

# One version, that of cuDNN, because its releases differ in what graphs they take.
foreach(header cudnn_version.h cudnn_version_v9.h)
  if(CudaLibraries_cudnn_INCLUDE_DIR AND EXISTS ${CudaLibraries_cudnn_INCLUDE_DIR}/${header})
    file(STRINGS ${CudaLibraries_cudnn_INCLUDE_DIR}/${header} lines REGEX "define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
    string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCHLEVEL ([0-9]+).*" "\\1.\\2.\\3"
           CudaLibraries_VERSION "${lines}")
    break()
  endif()
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  CudaLibraries REQUIRED_VARS ${cuda_library_variables} VERSION_VAR CudaLibraries_VERSION
  REASON_FAILURE_MESSAGE "Name the toolkit with -DCUDAToolkit_ROOT=DIR. cuDNN 9 is also in NVIDIA's Debian package \
libcudnn9-dev-cuda-13, and in the Python wheel nvidia-cudnn-cu13")

if(CudaLibraries_FOUND)
  foreach(name cudart cublas cublasLt cudnn)
    if(NOT TARGET CudaLibraries::${name})
      add_library(CudaLibraries::${name} UNKNOWN IMPORTED)
      set_target_properties(CudaLibraries::${name} PROPERTIES
                            IMPORTED_LOCATION ${CudaLibraries_${name}_LIBRARY}
                            INTERFACE_INCLUDE_DIRECTORIES ${CudaLibraries_${name}_INCLUDE_DIR})
    endif()
  endforeach()
  find_package(Threads REQUIRED)
  set_target_properties(CudaLibraries::cudart PROPERTIES
                        INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};rt")
endif()
