// An HTTP server that does a fixed amount of work for each request, on one thread.  burner.js PORT ITERATIONS
const crypto = require('crypto');
const http = require('http');

http.createServer((request, response) => {
  crypto.pbkdf2Sync('work', 'salt', Number(process.argv[3]), 32, 'sha256');
  response.end('done');
}).listen(Number(process.argv[2]), '0.0.0.0');
