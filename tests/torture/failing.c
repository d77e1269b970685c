/*
 * failing: preloaded into a program, lets one allocation of the program's own code fail; what libraries allocate is left
 * alone. The file that CALLHISTORY_FAILING names is shared with the test, which says which one.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct control {
	int64_t nth;    /* the allocation that fails, counted from 1 while it is not 0 */
	int64_t seen;   /* allocations so far */
	int64_t failed; /* of them */
};

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static struct control *control;
static uintptr_t begin, end; /* of the program's code */

static int find_code(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	(void)data;
	for (int i = 0; i < info->dlpi_phnum; ++i)
		if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
			begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
			end = begin + info->dlpi_phdr[i].p_memsz;
		}
	return 1; /* the program is the first one */
}

__attribute__((constructor)) static void open_control(void)
{
	const char *path = getenv("CALLHISTORY_FAILING");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	dl_iterate_phdr(find_code, NULL);
	void *shared = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared != MAP_FAILED)
		control = shared;
	close(fd);
}

static bool fails(const void *caller)
{
	uintptr_t address = (uintptr_t)caller;
	int64_t nth = control ? __atomic_load_n(&control->nth, __ATOMIC_ACQUIRE) : 0;
	if (!nth || address < begin || address >= end || __atomic_add_fetch(&control->seen, 1, __ATOMIC_RELAXED) != nth)
		return false;
	__atomic_add_fetch(&control->failed, 1, __ATOMIC_RELEASE);
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(memory, size);
}

static char *copy(const char *text, size_t length)
{
	char *made = __libc_malloc(length + 1);
	if (made) {
		memcpy(made, text, length);
		made[length] = '\0';
	}
	return made;
}

char *strdup(const char *text)
{
	return fails(__builtin_return_address(0)) ? NULL : copy(text, strlen(text));
}

char *strndup(const char *text, size_t length)
{
	return fails(__builtin_return_address(0)) ? NULL : copy(text, strnlen(text, length));
}
