/* A module that calls any command from a thread of its own, under the server's lock: ONTHREAD command [argument ...].
 * It declares what it needs of the module API itself, so that it compiles without a header of any server's. */
#include <pthread.h>
#include <stdlib.h>

typedef struct Ctx Ctx;
typedef struct Str Str;
typedef struct Reply Reply;
typedef struct Blocked Blocked;

#define API(X)                                                                                            \
    X(void, SetModuleAttribs, (Ctx *, const char *, int, int))                                             \
    X(int, CreateCommand, (Ctx *, const char *, int (*)(Ctx *, Str **, int), const char *, int, int, int)) \
    X(Blocked *, BlockClient, (Ctx *, void *, void *, void *, long long))                                  \
    X(int, UnblockClient, (Blocked *, void *))                                                             \
    X(Ctx *, GetThreadSafeContext, (Blocked *))                                                            \
    X(void, FreeThreadSafeContext, (Ctx *))                                                                \
    X(void, ThreadSafeContextLock, (Ctx *))                                                                \
    X(void, ThreadSafeContextUnlock, (Ctx *))                                                              \
    X(Reply *, Call, (Ctx *, const char *, const char *, ...))                                             \
    X(int, ReplyWithCallReply, (Ctx *, Reply *))                                                           \
    X(int, ReplyWithError, (Ctx *, const char *))                                                          \
    X(void, FreeCallReply, (Reply *))                                                                      \
    X(Str *, HoldString, (Ctx *, Str *))                                                                   \
    X(void, FreeString, (Ctx *, Str *))                                                                    \
    X(const char *, StringPtrLen, (const Str *, size_t *))

#define DECLARE(type, name, arguments) static type(*name) arguments;
API(DECLARE)

typedef struct {
    Blocked *blocked;
    int count;
    Str **words;
} Job;

static void *work(void *pointer) {
    Job *job = pointer;
    Ctx *ctx = GetThreadSafeContext(job->blocked);
    ThreadSafeContextLock(ctx);
    Reply *reply = Call(ctx, StringPtrLen(job->words[0], NULL), "!Ev", job->words + 1, (size_t)(job->count - 1));
    if (reply) {
        ReplyWithCallReply(ctx, reply);
        FreeCallReply(reply);
    } else {
        ReplyWithError(ctx, "ERR the call was refused");
    }
    for (int i = 0; i < job->count; i++) FreeString(ctx, job->words[i]);
    ThreadSafeContextUnlock(ctx);
    FreeThreadSafeContext(ctx);
    UnblockClient(job->blocked, NULL);
    free(job->words);
    free(job);
    return NULL;
}

static int on_thread(Ctx *ctx, Str **words, int count) {
    if (count < 2) return ReplyWithError(ctx, "ERR expected a command");
    Job *job = malloc(sizeof *job);
    job->count = count - 1;
    job->words = malloc(sizeof(Str *) * (size_t)job->count);
    for (int i = 1; i < count; i++) job->words[i - 1] = HoldString(NULL, words[i]);
    job->blocked = BlockClient(ctx, NULL, NULL, NULL, 0);
    pthread_t thread;
    pthread_create(&thread, NULL, work, job);
    pthread_detach(thread);
    return 0;
}

int RedisModule_OnLoad(Ctx *ctx, Str **words, int count) {
    (void)words;
    (void)count;
    int (*get)(const char *, void *) = (int (*)(const char *, void *))((void **)ctx)[0];
#define GET(type, name, arguments) get("RedisModule_" #name, (void *)&name);
    API(GET)
    SetModuleAttribs(ctx, "onthread", 1, 1);
    return CreateCommand(ctx, "onthread", on_thread, "write", 0, 0, 0);
}
