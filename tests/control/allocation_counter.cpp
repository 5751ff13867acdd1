#include "tests/control/allocation_counter.h"

#include <cstdlib>
#include <new>

// Apart from what uses them: GCC 12 takes an inlined pair for a mismatch.
namespace {
std::size_t g_allocated_bytes = 0;
}

void* operator new(std::size_t size) {
  g_allocated_bytes += size;
  void* p = std::malloc(size == 0 ? 1 : size);
  if (p == nullptr) std::abort();
  return p;
}
// std::stable_sort asks this way, and gives back by the ordinary one.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  g_allocated_bytes += size;
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace rollcall::test {

std::size_t allocated_bytes() { return g_allocated_bytes; }

}  // namespace rollcall::test
