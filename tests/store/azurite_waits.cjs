// Azurite takes no notice of its --blobKeepAliveTimeout, and cuts a connection that was idle for 5 s, which on a busy machine may just be in use again.
const http = require("http");
const create = http.createServer;
http.createServer = (...given) => Object.defineProperty(create(...given), "keepAliveTimeout", { get: () => 600000, set() {} });
