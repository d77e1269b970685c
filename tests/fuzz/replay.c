/* replay: runs a fuzzer over every file of the folders and files named on the command line, once each. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return -1;
	/* One exact allocation, so that a sanitizer sees a read past the end. */
	struct stat status;
	int result = -1;
	uint8_t *data = NULL;
	if (!fstat(fileno(file), &status)) {
		size_t size = (size_t)status.st_size;
		data = malloc(size ? size : 1);
		if (data && fread(data, 1, size, file) == size) {
			LLVMFuzzerTestOneInput(data, size);
			result = 0;
		}
	}
	free(data);
	fclose(file);
	return result;
}

static int replay(const char *path, long *count)
{
	DIR *folder = opendir(path);
	if (!folder) {
		++*count;
		return replay_file(path);
	}
	int result = 0;
	for (struct dirent *entry; (entry = readdir(folder)) && !result;) {
		char below[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		result = replay(below, count);
	}
	closedir(folder);
	return result;
}

int main(int argc, char **argv)
{
	long count = 0;
	for (int i = 1; i < argc; ++i)
		if (replay(argv[i], &count)) {
			fprintf(stderr, "can't read %s\n", argv[i]);
			return 1;
		}
	printf("%ld inputs\n", count);
	return count ? 0 : 1;
}
